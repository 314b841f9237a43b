import { formatSize } from "../byte-size.ts";
import type { ImageProgress } from "../image/index.ts";
import type { DockerProgressLine } from "../wire/index.ts";

/** Between two lines of one layer that only move its bar: faster is more than a terminal shows. */
const BAR_INTERVAL_MS = 100;

type LayerProgress = Extract<ImageProgress, { kind: "layer" }>;

/** Docker's status texts for a step of a layer. Where Docker has two steps for one of ours, both, in order. */
const STATUS_TEXTS: Readonly<Record<LayerProgress["status"], readonly string[]>> = {
  Waiting: ["Pulling fs layer"],
  Downloading: ["Downloading"],
  Verifying: ["Verifying Checksum"],
  Ready: ["Download complete", "Pull complete"],
  "Already exists": ["Already exists"],
  Preparing: ["Preparing"],
  Pushing: ["Pushing"],
  Pushed: ["Pushed"],
  "Layer already exists": ["Layer already exists"],
  Mounted: ["Mounted"],
  Loading: ["Loading layer"],
};

export interface ProgressLinesOptions {
  readonly send: (line: DockerProgressLine) => void;
  /** True: the reader lags, leave out what only moves a bar. */
  readonly isBehind: () => boolean;
  readonly clock: () => number;
}

/** Turns the engine's progress into Docker's lines; totals have no place in them. */
export function progressLines(options: ProgressLinesOptions): (progress: ImageProgress) => void {
  const shown = new Map<string, { status: string; at: number; total: number | undefined }>();
  return (progress) => {
    if (progress.kind === "total") return;
    if (progress.kind === "message") {
      options.send({ status: progress.text, ...(progress.id === undefined ? {} : { id: progress.id }) });
      return;
    }
    const now = options.clock();
    const last = shown.get(progress.id);
    if (last?.status === progress.status) {
      const isComplete = progress.current !== undefined && progress.current === progress.total;
      if (!isComplete && (now - last.at < BAR_INTERVAL_MS || options.isBehind())) return;
    }
    shown.set(progress.id, { status: progress.status, at: now, total: progress.total ?? last?.total });
    // Docker's load knows no more than a full bar.
    if (last?.status === "Loading" && progress.status === "Ready") {
      for (const line of layerLines({ ...progress, status: "Loading", ...full(last.total) }, false))
        options.send(line);
      return;
    }
    for (const line of layerLines(progress, last === undefined)) options.send(line);
  };
}

function full(total: number | undefined): { current?: number; total?: number } {
  return total === undefined ? {} : { current: total, total };
}

function layerLines(progress: LayerProgress, isFirst: boolean): DockerProgressLine[] {
  const { id, status, current, total, detail } = progress;
  const lines: DockerProgressLine[] = [];
  // Docker's clients draw the list of layers from these lines, so none may be without one.
  if (isFirst && (status === "Downloading" || status === "Verifying" || status === "Ready"))
    lines.push({ status: "Pulling fs layer", progressDetail: {}, id });
  for (const text of STATUS_TEXTS[status]) {
    const moves = current !== undefined && (text === status || status === "Loading");
    lines.push({
      status: detail === undefined ? text : `${text} ${detail}`,
      progressDetail: moves ? { current, ...(total === undefined ? {} : { total }) } : {},
      ...(moves ? { progress: progressBar(current, total) } : {}),
      id,
    });
  }
  return lines;
}

const BAR_WIDTH = 50;

/** The bar as Docker's daemon draws it, for clients that do not draw their own. */
function progressBar(current: number, total: number | undefined): string {
  if (total === undefined || total <= 0 || current > total) return formatSize(current, 4).padStart(8);
  const filled = Math.floor((current / total) * BAR_WIDTH);
  const bar = filled >= BAR_WIDTH ? "=".repeat(BAR_WIDTH) : `${"=".repeat(filled)}>`.padEnd(BAR_WIDTH, " ");
  return `[${bar}${filled >= BAR_WIDTH ? ">" : ""}] ${formatSize(current, 4).padStart(8)}/${formatSize(total, 4)}`;
}
