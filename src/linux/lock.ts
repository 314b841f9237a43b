import { closeSync, constants, openSync } from "node:fs";
import { PlyError } from "../error.ts";
import { systemCallError, trySystemCall } from "./libc.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
/** A lock that a child inherits would outlive us. */
const O_CLOEXEC = 0o2000000;

export interface FileLock {
  /** Releases it; the file stays. Idempotent. Process death releases it too. */
  close(): void;
}

/** Takes an exclusive flock(2) on a file, made if absent. Throws "conflict" at once when another holds it. */
export function lockFile(path: string): FileLock {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | O_CLOEXEC, 0o600);
  let open = true;
  const close = () => {
    if (open) closeSync(fd);
    open = false;
  };
  let result: number;
  try {
    result = trySystemCall("flock", fd, LOCK_EX | LOCK_NB);
  } catch (error) {
    close();
    throw error;
  }
  if (result >= 0) return { close };
  close();
  const error = systemCallError("flock", -result, path);
  if (error.kind !== "conflict") throw error;
  throw new PlyError("conflict", `another process holds ${path}`, { cause: error, details: error.details });
}
