import type { LayerProgress } from "../store/index.ts";
import type { ImageProgress, OnProgress } from "./images.ts";

/** Ten updates a second are as many as an eye can follow. */
const UPDATE_INTERVAL_MS = 100;
/** Long enough to smooth bursts, short enough to notice a line that slows down. */
const RATE_WINDOW_MS = 5_000;

export interface LayerReport {
  update(progress: LayerProgress): void;
  /** So many bytes are here from an earlier try: reading them again says nothing of the line. */
  resumed(bytes: number): void;
  exists(): void;
}

/** What is said about one pull, or about all tags of one: lines per layer, and one line for the whole. */
export interface PullReport {
  message(text: string, id?: string): void;
  /** Announces a layer of `size` compressed bytes. A layer announced twice (two tags share it) is one line. */
  layer(id: string, size: number): LayerReport;
}

interface LayerState {
  readonly size: number;
  done: number;
  resumed: number;
  finished: boolean;
  told: ImageProgress | undefined;
  toldAt: number;
}

export function openPullReport(onProgress: OnProgress | undefined, clock: () => number): PullReport {
  if (onProgress === undefined)
    return { message() {}, layer: () => ({ update() {}, resumed() {}, exists() {} }) };
  const tell = onProgress;
  const layers = new Map<string, LayerState>();
  const samples: { at: number; bytes: number }[] = [];
  let received = 0;
  let totalToldAt = Number.NEGATIVE_INFINITY;

  function tellTotal(now: number, last: boolean): void {
    if (!last && now - totalToldAt < UPDATE_INTERVAL_MS) return;
    totalToldAt = now;
    let bytesDone = 0;
    let bytesTotal = 0;
    let layersDone = 0;
    for (const layer of layers.values()) {
      bytesDone += layer.done;
      bytesTotal += layer.size;
      if (layer.finished) layersDone++;
    }
    const bytesPerSecond = rate(now);
    const left = bytesTotal - bytesDone;
    tell({
      kind: "total",
      bytesDone,
      bytesTotal,
      layersDone,
      layersTotal: layers.size,
      bytesPerSecond,
      secondsLeft: left === 0 ? 0 : bytesPerSecond > 0 ? left / bytesPerSecond : undefined,
    });
  }

  function rate(now: number): number {
    samples.push({ at: now, bytes: received });
    while (samples.length > 2 && (samples[0]?.at ?? now) < now - RATE_WINDOW_MS) samples.shift();
    const [first] = samples;
    if (first === undefined || now <= first.at) return 0;
    return Math.round(((received - first.bytes) * 1000) / (now - first.at));
  }

  function tellLayer(id: string, state: LayerState, progress: ImageProgress, now: number): void {
    if (progress.kind !== "layer") return;
    const last = state.told?.kind === "layer" ? state.told : undefined;
    const sameStatus = last?.status === progress.status;
    if (sameStatus && (last?.current === progress.current || now - state.toldAt < UPDATE_INTERVAL_MS)) return;
    state.told = progress;
    state.toldAt = now;
    layers.set(id, state);
    tell(progress);
  }

  return {
    message: (text, id) => tell(id === undefined ? { kind: "message", text } : { kind: "message", text, id }),
    layer(id, size) {
      const known = layers.get(id);
      const state: LayerState = known ?? {
        size,
        done: 0,
        resumed: 0,
        finished: false,
        told: undefined,
        toldAt: 0,
      };
      layers.set(id, state);
      const advance = (bytes: number) => {
        const done = Math.min(bytes, size);
        if (done <= state.done) return;
        received += Math.max(0, done - Math.max(state.done, state.resumed));
        state.done = done;
      };
      const finish = () => {
        state.done = size;
        state.finished = true;
        tellTotal(
          clock(),
          [...layers.values()].every((layer) => layer.finished),
        );
      };
      return {
        resumed(bytes) {
          state.resumed = bytes;
        },
        exists() {
          if (state.finished) return;
          tellLayer(id, state, { kind: "layer", id, status: "Already exists" }, clock());
          finish();
        },
        update(progress) {
          if (state.finished) return;
          const now = clock();
          switch (progress.phase) {
            case "waiting":
              tellLayer(id, state, { kind: "layer", id, status: "Waiting" }, now);
              break;
            case "downloading": {
              advance(progress.bytes);
              const total = progress.total ?? size;
              tellLayer(
                id,
                state,
                { kind: "layer", id, status: "Downloading", current: progress.bytes, total },
                now,
              );
              tellTotal(now, false);
              break;
            }
            case "verifying":
              advance(size);
              tellLayer(id, state, { kind: "layer", id, status: "Verifying" }, now);
              tellTotal(now, false);
              break;
            case "ready":
              tellLayer(
                id,
                state,
                { kind: "layer", id, status: progress.existed ? "Already exists" : "Ready" },
                now,
              );
              finish();
              break;
            default:
              throw new Error(`unhandled progress ${(progress satisfies never as LayerProgress).phase}`);
          }
        },
      };
    },
  };
}
