import { createHash, hash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { PlyError } from "../../error.ts";
import type { TreeNode } from "../../layer/index.ts";
import type { FileLook, FileStamp } from "../../linux/index.ts";
import { isSameFile } from "./file-digests.ts";
import { EMPTY_DIGEST, type FileTree } from "./file-tree.ts";

const CHUNK_BYTES = 256 * 1024;
const KEPT_FILE_BYTES = 64 * 1024;
const KEPT_BYTES = 64 * 1024 * 1024;

/** Small files, kept from when they are hashed until they are copied: each is opened once. */
export interface KeptFiles {
  put(node: TreeNode, bytes: Buffer): void;
  take(node: TreeNode): Buffer | undefined;
}

export function createKeptFiles(): KeptFiles {
  const kept = new Map<TreeNode, Buffer>();
  let total = 0;
  return {
    put(node, bytes) {
      if (total + bytes.length > KEPT_BYTES || kept.has(node)) return;
      kept.set(node, bytes);
      total += bytes.length;
    },
    take(node) {
      const bytes = kept.get(node);
      if (bytes === undefined) return undefined;
      kept.delete(node);
      total -= bytes.length;
      return bytes;
    },
  };
}

/** What files were when they were looked at. */
interface Looked {
  readonly look: FileLook;
  readonly stamps: Pick<WeakMap<TreeNode, FileStamp>, "get">;
}

/** The content of files by their paths below a directory, whose tree is known already. Trees may share what is kept of them. */
export function readingBelow(
  directory: string,
  { looked, kept = createKeptFiles() }: { readonly looked?: Looked; readonly kept?: KeptFiles } = {},
): Pick<FileTree, "read" | "digestOf"> {
  const open = (path: string, node: TreeNode): OpenFile => {
    const full = fullPath(directory, path);
    const stamp = looked?.stamps.get(node);
    return openFile(full, (descriptor) => {
      if (looked === undefined || stamp === undefined) return;
      looked.look.of(descriptor);
      if (!isSameFile(looked.look, stamp)) throw changed(full);
    });
  };
  return {
    read(path, node) {
      const bytes = kept.take(node);
      return bytes === undefined ? contentOf(() => open(path, node), node.size) : [bytes];
    },
    digestOf(path, node) {
      if (node.size === 0) return EMPTY_DIGEST;
      if (node.size > KEPT_FILE_BYTES) return digestOfLarge(contentOf(() => open(path, node), node.size));
      const bytes = wholeOf(open(path, node), node.size);
      kept.put(node, bytes);
      return hash("sha256", bytes, "hex");
    },
  };
}

async function digestOfLarge(content: Iterable<Uint8Array>): Promise<string> {
  const hashed = createHash("sha256");
  let chunks = 0;
  for (const chunk of content) {
    hashed.update(chunk);
    if (++chunks % 16 === 0) await nextTurn();
  }
  return hashed.digest("hex");
}

/** Text where it can be, which is faster. */
function fullPath(directory: string, path: string): string | Buffer {
  if (ASCII.test(path)) return `${directory}/${path}`;
  return Buffer.concat([Buffer.from(directory), Buffer.from(`/${path}`, "latin1")]);
}

const ASCII = /^[\0-\x7f]*$/;

function changed(full: string | Buffer): PlyError {
  return new PlyError("conflict", `${full.toString()} changed while the build read it`, {
    hint: "build again",
  });
}

interface OpenFile extends Disposable {
  /** Fills a buffer; throws "conflict" where less is left. */
  fill(buffer: Buffer): void;
  /** Throws "conflict" when the file is not what it was when it was looked at. */
  check(): void;
}

function openFile(full: string | Buffer, check: (descriptor: number) => void): OpenFile {
  const descriptor = openSync(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  return {
    fill(buffer) {
      for (let at = 0; at < buffer.length; ) {
        const count = readSync(descriptor, buffer, at, buffer.length - at, null);
        if (count === 0) throw changed(full);
        at += count;
      }
    },
    check: () => check(descriptor),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

function wholeOf(opened: OpenFile, size: number): Buffer {
  using file = opened;
  const bytes = Buffer.allocUnsafeSlow(size);
  file.fill(bytes);
  file.check();
  return bytes;
}

/** Exactly `size` bytes, piece by piece in one buffer. */
function* contentOf(open: () => OpenFile, size: number): Generator<Uint8Array> {
  if (size === 0) return;
  using file = open();
  const buffer = Buffer.allocUnsafe(Math.min(size, CHUNK_BYTES));
  for (let left = size; left > 0; ) {
    const piece = buffer.subarray(0, Math.min(left, buffer.length));
    file.fill(piece);
    left -= piece.length;
    if (left === 0) file.check();
    yield piece;
  }
}
