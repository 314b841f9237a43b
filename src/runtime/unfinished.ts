import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { codeOf } from "../error.ts";

const GONE_LIMIT_MS = 5000;
const LOOK_AGAIN_MS = 5;

/**
 * Ends what an engine that died left at work on a bundle: its monitor, and the runtime that makes the container.
 * They would go on making cgroups and state after we had cleaned up.
 */
export async function endUnfinishedLaunch(bundle: string): Promise<void> {
  const deadline = performance.now() + GONE_LIMIT_MS;
  for (let left = await processesOf(bundle); left.length > 0; left = await processesOf(bundle)) {
    for (const pid of left)
      try {
        process.kill(pid, "SIGKILL");
      } catch (error) {
        if (codeOf(error) !== "ESRCH") throw error;
      }
    if (performance.now() > deadline) return;
    await sleep(LOOK_AGAIN_MS);
  }
}

/** Those that name the bundle on their command line; one that is dead has none. */
async function processesOf(bundle: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const named = await Promise.all(
    pids.map(async (pid) => {
      const words = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
      return pid !== process.pid && words.includes(bundle);
    }),
  );
  return pids.filter((_, at) => named[at]);
}
