import { codeOf, isPlyError, messageOf, PlyError } from "../error.ts";

/** SQLite result codes (sqlite.org/rescode.html) that mean the disk and not us. */
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;

/** The primary SQLite result code of something thrown, where it has one. */
export function sqliteCodeOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

/** Turns a failure of the disk into a PlyError that says what was being done where; PlyErrors pass. */
export function storageFailure(error: unknown, doing: string): PlyError {
  if (isPlyError(error)) return error;
  const code = codeOf(error);
  const sqlite = sqliteCodeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT" || sqlite === SQLITE_FULL)
    return new PlyError("unavailable", `no space left on device while ${doing}`, {
      hint: "free some space (`ply image prune -a`) and try again",
      cause: error,
      details: { code: code ?? "SQLITE_FULL" },
    });
  if (code === "EACCES" || code === "EPERM" || code === "EROFS" || sqlite === SQLITE_READONLY)
    return new PlyError("denied", `no right to write while ${doing}: ${messageOf(error)}`, {
      hint: "run the engine as a user who may write its root, or choose another with --root",
      cause: error,
      details: { code: code ?? "SQLITE_READONLY" },
    });
  if (sqlite === SQLITE_IOERR || code === "EIO")
    return new PlyError("unavailable", `the disk failed while ${doing}: ${messageOf(error)}`, {
      cause: error,
    });
  return new PlyError("internal", `failed while ${doing}: ${messageOf(error)}`, { cause: error });
}
