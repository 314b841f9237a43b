import type { BuildEvent } from "../../../build/index.ts";
import type { Work } from "./vertexes.ts";

type Progress = Extract<BuildEvent, { readonly kind: "pull" }>["progress"];

/** Layers that are on their way say how far they are; what else is said is for other clients. */
export function tellTransfer(work: Work, progress: Progress, doing = ""): void {
  if (progress.kind !== "layer") return;
  const { id, status, current = 0, total = 0 } = progress;
  const isDone = DONE.includes(status);
  work.status(`${doing}${id}`, { current: isDone ? Math.max(current, total) : current, total, isDone });
}

const DONE: readonly string[] = ["Ready", "Already exists", "Pushed", "Layer already exists", "Mounted"];
