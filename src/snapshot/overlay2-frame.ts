import { closeSync, constants, openSync } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { PlyError } from "../error.ts";
import { readInto } from "../host-file.ts";
import type { StackLayer } from "../store/index.ts";
import { atPlace } from "./overlay2-place.ts";

/*
 * The frame of an unpacked layer: all bytes of its tar that are not the content of an unpacked file.
 *
 *   "plyframe", u32 version, u32 number of holes, u64 size of the tar; per hole u64 offset in the tar, u64
 *   length (little endian, ascending, apart); then the bytes outside the holes, in order.
 *
 * What fills a hole is in the unpacked directory; its `map` (JSON) says which file.
 */
const MAGIC = "plyframe";
const VERSION = 1;
const HEADER_LENGTH = 24;
const HOLE_LENGTH = 16;
const COPY_SIZE = 1024 * 1024;
/** A frame has at most one hole per file and sparse run of a layer. */
const MAX_HOLES = 16_000_000;

/** A run of the tar. Bytes. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** A run of the tar that is also in an unpacked file: `path` is a byte string below `diff/`. */
export interface Filling extends Range {
  readonly path: string;
  readonly at: number;
}

/** Reads a layer's tar at any place. The caller closes it. */
export interface TarReader {
  /** Fills `target` from `offset` on; throws "corrupt" when the tar ends before. */
  read(target: Uint8Array, offset: number): void;
  close(): void;
}

/** Drops overlaps (a second name for the same data) and sorts by place in the tar. */
export function disjoint(fillings: readonly Filling[]): Filling[] {
  const sorted = [...fillings].sort((a, b) => a.offset - b.offset || b.length - a.length);
  let end = 0;
  return sorted.filter((filling) => {
    if (filling.offset < end || filling.length === 0) return false;
    end = filling.offset + filling.length;
    return true;
  });
}

/** Writes the frame of a tar with these holes (ascending, apart) to `path`, synced. */
export async function writeFrame(
  path: string,
  tar: TarReader,
  tarSize: number,
  holes: readonly Range[],
): Promise<void> {
  const header = Buffer.alloc(HEADER_LENGTH + holes.length * HOLE_LENGTH);
  header.write(MAGIC, "latin1");
  header.writeUInt32LE(VERSION, 8);
  header.writeUInt32LE(holes.length, 12);
  header.writeBigUInt64LE(BigInt(tarSize), 16);
  for (const [n, hole] of holes.entries()) {
    header.writeBigUInt64LE(BigInt(hole.offset), HEADER_LENGTH + n * HOLE_LENGTH);
    header.writeBigUInt64LE(BigInt(hole.length), HEADER_LENGTH + n * HOLE_LENGTH + 8);
  }
  try {
    await using file = await open(path, "wx", 0o600);
    await file.writeFile(header);
    const buffer = Buffer.alloc(COPY_SIZE);
    let used = 0;
    const copy = async (from: number, to: number) => {
      for (let at = from; at < to; ) {
        const length = Math.min(to - at, COPY_SIZE - used);
        tar.read(buffer.subarray(used, used + length), at);
        used += length;
        at += length;
        if (used === COPY_SIZE) {
          await file.writeFile(buffer);
          used = 0;
        }
      }
    };
    let at = 0;
    for (const hole of holes) {
      await copy(at, hole.offset);
      at = hole.offset + hole.length;
    }
    await copy(at, tarSize);
    await file.writeFile(buffer.subarray(0, used));
    await file.datasync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

/** What a frame says of itself. */
export interface Frame {
  /** Bytes of the tar. */
  readonly tarSize: number;
  /** Ascending, apart. */
  readonly holes: readonly Range[];
  /** Where in the file the bytes outside the holes begin. */
  readonly bodyAt: number;
}

/** Reads the head of a frame. Throws "corrupt". */
export async function readFrame(path: string): Promise<Frame> {
  await using file = await open(path, "r");
  const header = Buffer.alloc(HEADER_LENGTH);
  await file.read(header, 0, HEADER_LENGTH, 0);
  const count = header.readUInt32LE(12);
  const tarSize = Number(header.readBigUInt64LE(16));
  const bodyAt = HEADER_LENGTH + count * HOLE_LENGTH;
  const { size } = await file.stat();
  if (
    header.toString("latin1", 0, 8) !== MAGIC ||
    header.readUInt32LE(8) !== VERSION ||
    count > MAX_HOLES ||
    bodyAt > size
  )
    throw new PlyError("corrupt", `${path} is not the frame of a layer`);
  const table = Buffer.alloc(count * HOLE_LENGTH);
  await file.read(table, 0, table.length, HEADER_LENGTH);
  const holes: Range[] = [];
  let end = 0;
  let filled = 0;
  for (let n = 0; n < count; n++) {
    const offset = Number(table.readBigUInt64LE(n * HOLE_LENGTH));
    const length = Number(table.readBigUInt64LE(n * HOLE_LENGTH + 8));
    if (offset < end || offset + length > tarSize)
      throw new PlyError("corrupt", `${path}: hole ${n} is out of order`);
    end = offset + length;
    filled += length;
    holes.push({ offset, length });
  }
  if (size - bodyAt !== tarSize - filled)
    throw new PlyError("corrupt", `${path} has ${size - bodyAt} bytes of ${tarSize - filled}`);
  return { tarSize, holes, bodyAt };
}

/** A directory that holds an unpacked layer: `diff/` and `map`. */
export async function readMap(directory: string): Promise<Filling[]> {
  const rows = JSON.parse(await readFile(join(directory, "map"), "utf8")) as [
    number,
    number,
    number,
    string,
  ][];
  return rows.map(([offset, length, at, path]) => ({ offset, length, at, path }));
}

export function encodeMap(fillings: readonly Filling[]): string {
  return JSON.stringify(fillings.map(({ offset, length, at, path }) => [offset, length, at, path]));
}

/** Reads a tar that is still a file. */
export function tarFileReader(path: string): TarReader {
  const fd = openSync(path, "r");
  return { read: (target, offset) => readFully(fd, target, offset, path), close: () => closeSync(fd) };
}

/**
 * Reads a tar that was taken apart: from its frame, and what fills the holes from the unpacked directories
 * given (each hole from the first that has it; other names of `diff/` may differ from one to the next).
 */
export async function frameReader(layer: StackLayer, directories: readonly string[]): Promise<TarReader> {
  const framePath = join(layer.dir, "layer.frame");
  const { tarSize, holes, bodyAt } = await readFrame(framePath);
  if (tarSize !== layer.tarSize)
    throw new PlyError("corrupt", `${framePath} is of a tar of ${tarSize} bytes, not ${layer.tarSize}`);
  const fillings = await fillingsOf(holes, directories, layer);
  // Bytes of the tar before hole n that are in holes: places in the frame are that much lower.
  const skipped = new Float64Array(holes.length + 1);
  for (const [n, hole] of holes.entries()) skipped[n + 1] = (skipped[n] ?? 0) + hole.length;
  const frame = openSync(framePath, "r");
  let current: { readonly filling: Placed; readonly fd: number } | undefined;
  const openFilling = (filling: Placed): number => {
    if (current?.filling.diff === filling.diff && current.filling.path === filling.path) return current.fd;
    if (current !== undefined) closeSync(current.fd);
    current = undefined;
    const fd = atPlace(filling.diff, filling.path, (path) =>
      openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW),
    );
    current = { filling, fd };
    return fd;
  };
  return {
    read(target, offset) {
      let done = 0;
      while (done < target.length) {
        const at = offset + done;
        const n = firstHoleEndingAfter(holes, at);
        const hole = holes[n];
        const isInside = hole !== undefined && hole.offset <= at;
        const end = hole === undefined ? layer.tarSize : isInside ? hole.offset + hole.length : hole.offset;
        const part = target.subarray(done, done + Math.min(target.length - done, end - at));
        if (part.length === 0) throw new PlyError("corrupt", `the tar of ${layer.diffId} ends at ${at}`);
        if (isInside) {
          const filling = fillings[n];
          if (filling === undefined) throw new PlyError("internal", "a hole without a filling");
          readFully(openFilling(filling), part, filling.at + (at - hole.offset), filling.path);
        } else readFully(frame, part, bodyAt + at - (skipped[n] ?? 0), framePath);
        done += part.length;
      }
    },
    close() {
      closeSync(frame);
      if (current !== undefined) closeSync(current.fd);
      current = undefined;
    },
  };
}

interface Placed extends Filling {
  readonly diff: string;
}

async function fillingsOf(
  holes: readonly Range[],
  directories: readonly string[],
  layer: StackLayer,
): Promise<Placed[]> {
  const found = new Map<number, Placed>();
  for (const directory of directories) {
    if (found.size === holes.length) break;
    const diff = join(directory, "diff");
    for (const filling of await readMap(directory))
      if (!found.has(filling.offset)) found.set(filling.offset, { ...filling, diff });
  }
  return holes.map(({ offset, length }) => {
    const filling = found.get(offset);
    if (filling?.length !== length)
      throw new PlyError(
        "corrupt",
        `layer ${layer.diffId}: no unpacked file holds bytes ${offset} to ${offset + length}`,
        {
          hint: "`ply system check --repair`, then pull the image again",
        },
      );
    return filling;
  });
}

/** Index of the first hole that ends after `at`; `holes.length` when none does. */
function firstHoleEndingAfter(holes: readonly Range[], at: number): number {
  let low = 0;
  let high = holes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const hole = holes[middle];
    if (hole !== undefined && hole.offset + hole.length > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

function readFully(fd: number, target: Uint8Array, offset: number, what: string): void {
  const missing = target.length - readInto(fd, target, offset);
  if (missing > 0) throw new PlyError("corrupt", `${what} ends ${missing} bytes too early`);
}
