import {
  close,
  fsync,
  open,
  read,
  readFileSync,
  readSync,
  realpath,
  rename,
  type Stats,
  stat,
  unlink,
  write,
} from "node:fs";
import { promisify } from "node:util";
import { messageOf, PlyError } from "./error.ts";

// The callback functions: node:fs/promises costs 1.5 ms more at start.
const files = {
  open: promisify(open),
  close: promisify(close),
  fsync: promisify(fsync),
  read: promisify(read),
  realpath: promisify(realpath),
  rename: promisify(rename),
  stat: promisify<string, Stats>(stat),
  unlink: promisify(unlink),
  write: promisify(write),
};

const CHUNK_BYTES = 1024 * 1024;
const LOG_TAIL_LINES = 8;

/** A file's bytes, from its start. Throws "not-found", "denied" or "invalid" before the first byte. */
export async function openFileChunks(path: string): Promise<AsyncIterable<Uint8Array>> {
  const fd = await files.open(path, "r", 0).catch((cause: unknown) => {
    throw fileError("read", path, cause);
  });
  return (async function* () {
    try {
      for (;;) {
        // A buffer per chunk: the one before may still be on its way to the socket.
        const { bytesRead, buffer } = await files.read(
          fd,
          Buffer.allocUnsafe(CHUNK_BYTES),
          0,
          CHUNK_BYTES,
          null,
        );
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } catch (cause) {
      throw fileError("read", path, cause);
    } finally {
      await files.close(fd);
    }
  })();
}

/** A small file's text; what is to stand for it where it cannot be read. */
export function readText(path: string, otherwise = ""): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}

/** The last lines of a log, to stand below what is said about it; "" without any. */
export function logTail(path: string): string {
  const lines = readText(path).trimEnd().split("\n").slice(-LOG_TAIL_LINES);
  return lines.join("") === "" ? "" : `\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

/** Fills `target` with what an open file has at `offset`; gives the number of bytes, fewer only where the file ends. */
export function readInto(fd: number, target: Uint8Array, offset: number): number {
  let done = 0;
  while (done < target.length) {
    const count = readSync(fd, target, done, target.length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Pieces of a file, on their way or here already. */
type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Writes a file that appears under its name only when it is whole. A device, a pipe (`/dev/stdout`) is written to as
 * it is. Throws "not-found", "denied" or "invalid".
 */
export async function writeFileWhole(path: string, chunks: Chunks): Promise<void> {
  const found = await files.stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw fileError("write", path, cause);
  });
  if (found?.isDirectory()) throw new PlyError("invalid", `cannot write ${path}: it is a directory`);
  if (found !== undefined && !found.isFile()) return writeThrough(path, chunks);
  // What a link leads to is replaced, not the link.
  const target = found === undefined ? path : await files.realpath(path);
  const unfinished = `${target}.${process.pid}.part`;
  const mode = found === undefined ? 0o666 : found.mode & 0o777;
  const fd = await files.open(unfinished, "wx", mode).catch((cause: unknown) => {
    throw fileError("write", path, cause);
  });
  let isOpen = true;
  try {
    for await (const chunk of chunks) await writeAll(fd, chunk);
    await files.fsync(fd);
    isOpen = false;
    await files.close(fd);
    await files.rename(unfinished, target);
  } catch (cause) {
    if (isOpen) await files.close(fd);
    await files.unlink(unfinished).catch(() => {});
    throw cause instanceof PlyError ? cause : fileError("write", path, cause);
  }
}

/** Into what is no file: nothing must take its place. */
async function writeThrough(path: string, chunks: Chunks): Promise<void> {
  try {
    const fd = await files.open(path, "w", 0);
    try {
      for await (const chunk of chunks) await writeAll(fd, chunk);
    } finally {
      await files.close(fd);
    }
  } catch (cause) {
    throw cause instanceof PlyError ? cause : fileError("write", path, cause);
  }
}

async function writeAll(fd: number, chunk: Uint8Array): Promise<void> {
  for (let rest = chunk; rest.length > 0; ) {
    const { bytesWritten } = await files.write(fd, rest, 0, rest.length, null);
    rest = rest.subarray(bytesWritten);
  }
}

function fileError(verb: "read" | "write", path: string, cause: unknown): PlyError {
  const code = cause instanceof Error && "code" in cause ? cause.code : "";
  const kind = code === "ENOENT" ? "not-found" : code === "EACCES" || code === "EPERM" ? "denied" : "invalid";
  return new PlyError(kind, `cannot ${verb} ${path}: ${reasonOf(cause)}`, { cause });
}

/** Of "ENOENT: no such file or directory, open '/x'" the words in the middle. */
export function reasonOf(cause: unknown): string {
  return messageOf(cause).replace(/^E[A-Z0-9]+: (.*?), \w+(?: '.*)?$/s, "$1");
}
