import type { PlyLayerStatus, PlyProgress } from "../../wire/index.ts";

/** One layer of a pull, push or load as last heard of. Bytes. */
export interface LayerState {
  readonly id: string;
  readonly status: PlyLayerStatus;
  readonly current?: number;
  readonly total?: number;
  readonly detail?: string;
  /** Bytes per second lately; 0 when not known. */
  readonly rate: number;
}

export type TotalState = Extract<PlyProgress, { readonly kind: "total" }>;

/** A whole pull, push or load as far as it was told. */
export interface Transfer {
  readonly title: string;
  /** In the order in which they were first heard of. */
  readonly layers: ReadonlyMap<string, LayerState>;
  readonly total: TotalState | undefined;
  update(progress: PlyProgress, nowMs: number): void;
}

const ACTIVE: ReadonlySet<PlyLayerStatus> = new Set([
  "Downloading",
  "Verifying",
  "Preparing",
  "Pushing",
  "Loading",
]);
const MOVING: ReadonlySet<PlyLayerStatus> = new Set(["Downloading", "Preparing", "Pushing", "Loading"]);

export function isActive(status: PlyLayerStatus): boolean {
  return ACTIVE.has(status);
}

/** Bytes are flowing: a bar and a rate make sense. */
export function isMoving(status: PlyLayerStatus): boolean {
  return MOVING.has(status);
}

/** A rate is read off at least this much time, so that it does not jump with each packet. */
const RATE_WINDOW_MS = 400;
/** How much a new reading counts against the rate so far. */
const RATE_WEIGHT = 0.4;
/** An engine that names more layers than this is not believed: the display must stay bounded. */
const MAX_LAYERS = 4096;

export function createTransfer(title: string): Transfer {
  const layers = new Map<string, LayerState>();
  const readings = new Map<string, { readonly atMs: number; readonly bytes: number }>();
  let total: TotalState | undefined;

  const rateOf = (id: string, bytes: number, nowMs: number): number => {
    const before = readings.get(id);
    const rate = layers.get(id)?.rate ?? 0;
    if (before === undefined || bytes < before.bytes) {
      readings.set(id, { atMs: nowMs, bytes });
      return 0;
    }
    const elapsed = nowMs - before.atMs;
    if (elapsed < RATE_WINDOW_MS) return rate;
    readings.set(id, { atMs: nowMs, bytes });
    const latest = ((bytes - before.bytes) * 1000) / elapsed;
    return rate === 0 ? latest : rate + RATE_WEIGHT * (latest - rate);
  };

  return {
    title,
    layers,
    get total() {
      return total;
    },
    update(progress, nowMs) {
      if (progress.kind === "total") total = progress;
      if (progress.kind !== "layer" || (layers.size >= MAX_LAYERS && !layers.has(progress.id))) return;
      const { id, status, current, total: size, detail } = progress;
      const before = layers.get(id);
      const known = size ?? before?.total;
      // What is counted is another thing then: a layer is prepared by its plain bytes, pushed by its packed ones.
      if (before !== undefined && before.status !== status) readings.delete(id);
      layers.set(id, {
        id,
        status,
        ...(current === undefined ? {} : { current }),
        ...(known === undefined ? {} : { total: known }),
        ...(detail === undefined ? {} : { detail }),
        rate: current !== undefined && isMoving(status) ? rateOf(id, current, nowMs) : 0,
      });
    },
  };
}
