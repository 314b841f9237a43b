import { readlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerRecord } from "./containers.ts";

const LOOK_AGAIN_MS = 2;
/** The first container of an engine compiles its system call filter meanwhile: some 30 ms. */
const LIMIT_MS = 1000;
/** What the first process executes until then: the runtime, or its copy in memory. */
const RUNTIME = /^\/memfd:(crun|runc)|\/(crun|runc)( \(deleted\))?$/;

/**
 * Resolves when the first process of a container that was let go runs its own program. In a user namespace, until then its
 * memory belongs to the host's root, and nobody may join it.
 */
export async function untilOwnProgram({ pid, idMap }: ContainerRecord): Promise<void> {
  if (idMap === undefined) return;
  const deadline = performance.now() + LIMIT_MS;
  while (performance.now() < deadline) {
    const program = await readlink(`/proc/${pid}/exe`).catch(() => "");
    if (!RUNTIME.test(program)) return;
    await sleep(LOOK_AGAIN_MS);
  }
}
