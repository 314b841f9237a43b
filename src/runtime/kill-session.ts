import { readFileSync } from "node:fs";

const SIGKILL = 9;

/**
 * Ends a process and what it started: all of its session, which `crun exec` makes for each. Only what made a session
 * of its own, as daemons do, stays. `members`: the processes of its container.
 */
export async function killSession(pid: number, members: () => Promise<readonly number[]>): Promise<void> {
  const session = sessionOf(pid);
  if (session === undefined) return;
  const killed = new Set<number>();
  // One may have started another meanwhile; what has its signal starts no more.
  for (;;) {
    const found = [pid, ...(await members())].filter((id) => !killed.has(id) && sessionOf(id) === session);
    if (found.length === 0) return;
    for (const id of found) {
      killed.add(id);
      try {
        process.kill(id, SIGKILL);
      } catch {
        // It has ended by itself.
      }
    }
  }
}

/** Undefined for one that is gone. proc_pid_stat(5): state, parent, group and session follow the name. */
function sessionOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, , , session] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? undefined : session;
  } catch {
    return undefined;
  }
}
