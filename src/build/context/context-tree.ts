import { createHash, type Hash } from "node:crypto";
import { closeSync, openSync, readSync, truncateSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { decompress } from "../../compress/index.ts";
import { isPlyError, PlyError, throwIfAborted } from "../../error.ts";
import { createEntryCollector, type TreeNode, unionOf } from "../../layer/index.ts";
import { createTarScanner, type SparseExtent, type TarEntry } from "../../tar/index.ts";
import { EMPTY_DIGEST, type FileTree } from "./file-tree.ts";

/** A tree whose content is in a temporary file; dispose it to remove that. */
export interface SpooledTree extends FileTree, Disposable {
  /** Bytes of the uncompressed archive. */
  readonly size: number;
}

/** What is read ahead of a file: small files lie one after the other. */
const WINDOW_BYTES = 1024 * 1024;
const BLOCK_BYTES = 512;
const CHUNK_BYTES = 256 * 1024;

/**
 * Takes a tar archive (plain, gzip or zstd) as a tree: kept in `file` as it came, its files hashed on the way past.
 * Throws "corrupt" or "limit" for what is no such archive; the file is gone then.
 */
export async function spoolTar(
  archive: AsyncIterable<Uint8Array>,
  file: string,
  signal?: AbortSignal,
): Promise<SpooledTree> {
  const collector = createEntryCollector();
  const digests = new Map<number, string>();
  let hash: Hash | undefined;
  let current: TarEntry | undefined;
  let count = 0;
  const finishFile = (): void => {
    if (hash !== undefined && current !== undefined)
      digests.set(current.dataOffset, digestText(hash, current));
    hash = undefined;
    current = undefined;
  };
  const scanner = createTarScanner({
    onEntry(entry) {
      finishFile();
      collector.add(entry);
      count++;
      if (entry.type !== "file" || entry.storedSize === 0) return;
      hash = createHash("sha256");
      current = entry;
    },
    onData(chunk) {
      hash?.update(chunk);
    },
  });
  let size = 0;
  let root: TreeNode;
  try {
    await using spool = await open(file, "wx", 0o600);
    for await (const chunk of decompress(archive)) {
      throwIfAborted(signal);
      scanner.push(chunk);
      for (let at = 0; at < chunk.length; )
        at += (await spool.write(chunk, at, chunk.length - at)).bytesWritten;
      size += chunk.length;
    }
    scanner.end();
    finishFile();
    // Hard links to nothing, for one, come out here.
    root = unionOf([{ entries: collector.finish() }]);
  } catch (error) {
    await rm(file, { force: true });
    if (!isPlyError(error, "corrupt")) throw error;
    throw new PlyError("corrupt", error.message, {
      cause: error,
      details: { ...error.details, entries: count },
    });
  }
  const read = openReader(file, size);
  return {
    root,
    size,
    pack(_path, root) {
      const padded = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
      truncateSync(file, padded);
      return { root, data: { path: file, size: padded }, [Symbol.dispose]: () => undefined };
    },
    digestOf: (_path, { data }) => (data === null ? EMPTY_DIGEST : (digests.get(data.offset) ?? missing())),
    read: (_path, node) => contentOf(node, read.at),
    [Symbol.dispose]() {
      read.close();
      void rm(file, { force: true });
    },
  };
}

/** Whether what `spoolTar` found corrupt was an archive up to then. */
export function hadEntries(error: PlyError): boolean {
  return Number(error.details["entries"] ?? 0) > 0;
}

function missing(): never {
  throw new PlyError("internal", "a file of the context was not hashed");
}

/** Two sparse files may store the same bytes and differ in where they lie. */
function digestText(hash: Hash, { extents, size }: TarEntry): string {
  if (extents !== undefined) hash.update(JSON.stringify([size, extents]));
  return hash.digest("hex");
}

/** Reads `length` bytes at most; the bytes are valid until the next call. */
type ReadAt = (offset: number, length: number) => Uint8Array;

function openReader(file: string, size: number): { readonly at: ReadAt; close(): void } {
  const descriptor = openSync(file, "r");
  const window = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, Math.max(size, 1)));
  let start = 0;
  let end = 0;
  return {
    close: () => closeSync(descriptor),
    at(offset, length) {
      if (offset < start || offset >= end) {
        start = offset;
        end = offset + readSync(descriptor, window, 0, window.length, offset);
        if (end === offset) throw new PlyError("corrupt", "the context's file ends too early");
      }
      return window.subarray(offset - start, Math.min(end, offset + length) - start);
    },
  };
}

function* contentOf({ size, data }: TreeNode, readAt: ReadAt): Generator<Uint8Array> {
  if (data === null) return;
  const extents: readonly SparseExtent[] = data.extents ?? [{ offset: 0, length: size }];
  let stored = data.offset;
  let position = 0;
  for (const { offset, length } of extents) {
    yield* zeros(offset - position);
    for (let left = length; left > 0; ) {
      const bytes = readAt(stored, Math.min(left, CHUNK_BYTES));
      yield bytes;
      stored += bytes.length;
      left -= bytes.length;
    }
    position = offset + length;
  }
  yield* zeros(size - position);
}

function* zeros(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= Math.min(left, CHUNK_BYTES))
    yield new Uint8Array(Math.min(left, CHUNK_BYTES));
}
