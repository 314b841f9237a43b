import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerRecord } from "./containers.ts";

const LOOK_AGAIN_MS = 2;
/** A process that has not got to its own program by then never will. */
const LIMIT_MS = 10_000;

/**
 * Resolves when the first process of a container that was let go runs its own program. In a user namespace, until then it
 * belongs to the host's root (the runtime's memory does), and nobody may join it.
 */
export async function untilOwnProgram({ pid, idMap }: ContainerRecord): Promise<void> {
  if (idMap === undefined) return;
  const deadline = performance.now() + LIMIT_MS;
  while (performance.now() < deadline) {
    const owner = await stat(`/proc/${pid}`).catch(() => undefined);
    if (owner === undefined || owner.uid !== 0) return;
    await sleep(LOOK_AGAIN_MS);
  }
}
