import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PlyError } from "../error.ts";
import { sqliteCodeOf, storageFailure } from "./failure.ts";

const SQLITE_BUSY = 5;

/** A held lock on a root; the kernel drops it when the process dies, however it dies. */
export interface RootLock {
  release(): void;
}

/**
 * Makes this process the only owner of `root`, by SQLite's exclusive file lock on `ply.lock` (Node has no
 * flock of its own). `ply.pid` is for people and messages only. Throws "conflict" naming the owner.
 */
export function lockRoot(root: string): RootLock {
  const pidPath = join(root, "ply.pid");
  let lock: DatabaseSync;
  try {
    lock = new DatabaseSync(join(root, "ply.lock"), { timeout: 0 });
  } catch (error) {
    throw storageFailure(error, `opening ${join(root, "ply.lock")}`);
  }
  try {
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    writeFileSync(pidPath, `${process.pid}\n`);
  } catch (error) {
    lock.close();
    if (sqliteCodeOf(error) !== SQLITE_BUSY) throw storageFailure(error, `locking ${root}`);
    const pid = ownerOf(pidPath);
    throw new PlyError("conflict", `${root} is in use by another engine${pid ? ` (process ${pid})` : ""}`, {
      hint: "stop that engine, or choose another --root",
      details: { root, pid },
    });
  }
  return {
    release() {
      rmSync(pidPath, { force: true });
      lock.close();
    },
  };
}

function ownerOf(pidPath: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(pidPath, "utf8"), 10);
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
