import { spawn } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { PlyError } from "../error.ts";

/** Whose home it is: the pid of the program. */
const OWNER = "owner";

/** A folder for one engine. Throws "denied" for a parent that somebody else made or may write to. */
export function makeHome(parent: string): string {
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  if (!isOurs(parent))
    throw new PlyError("denied", `${parent} is not this user's own`, {
      hint: "remove it, or name another folder in TMPDIR",
    });
  const home = mkdtempSync(join(parent, "e"));
  writeFileSync(join(home, OWNER), String(process.pid));
  return home;
}

/**
 * Tears down, in the background, what programs and engines left that were killed both: an engine whose standard input
 * has ended from the start adopts the containers and takes them along.
 */
export function sweep(parent: string, [command = "", ...words]: readonly string[]): void {
  if (!isOurs(parent)) return;
  for (const name of readdirSync(parent)) {
    const home = join(parent, name);
    const runRoot = join(home, "run");
    if (isAlive(join(home, OWNER)) && !isDead(join(runRoot, "engine.pid"))) continue;
    if (isAlive(join(runRoot, "engine.pid"))) continue;
    if (!existsSync(join(home, "ply.db"))) {
      if (!isAlive(join(home, OWNER))) rmSync(home, { recursive: true, force: true });
      continue;
    }
    const socket = `unix://${join(runRoot, "sweep.sock")}`;
    spawn(
      command,
      [...words, "serve", "--root", home, "--run-root", runRoot, "-H", socket, "--ephemeral", "all"],
      {
        detached: true,
        stdio: "ignore",
        cwd: "/",
      },
    ).unref();
  }
}

/** In a folder that everybody writes to, anybody may have been first with the name. */
function isOurs(parent: string): boolean {
  const found = lstatSync(parent, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
}

/** The process of a pid file runs. */
function isAlive(file: string): boolean {
  const pid = pidIn(file);
  return pid !== undefined && runs(pid);
}

/** There is a pid file, and its process runs no more. */
function isDead(file: string): boolean {
  const pid = pidIn(file);
  return pid !== undefined && !runs(pid);
}

/** One that nobody has reaped yet runs no more (proc(5), the state in `stat`). */
function runs(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

function pidIn(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
