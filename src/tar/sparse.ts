import { PlyError } from "../error.ts";
import type { SparseExtent } from "./entry.ts";
import { readNumber } from "./field.ts";
import { type PaxRecord, parsePaxNumber } from "./pax.ts";

/** What PAX records say of a sparse file (GNU tar manual, "Storing Sparse Files"). */
export interface PaxSparse {
  readonly name: string | undefined;
  readonly realSize: number;
  /** The map of formats 0.0 and 0.1; undefined for 1.0, whose map comes first in the data. */
  readonly map: SparseExtent[] | undefined;
}

/** Gathers GNU.sparse records; undefined when the file is not sparse. Throws "corrupt". */
export function readPaxSparse(records: readonly PaxRecord[], maxExtents: number): PaxSparse | undefined {
  let name: string | undefined;
  let realSize: number | undefined;
  let major = 0;
  let minor = 0;
  let map: SparseExtent[] | undefined;
  let pendingOffset: number | undefined;
  let seen = false;
  for (const { key, value } of records) {
    if (!key.startsWith("GNU.sparse.")) continue;
    seen = true;
    const text = value.toString("latin1");
    if (key === "GNU.sparse.name") name = text;
    else if (key === "GNU.sparse.size" || key === "GNU.sparse.realsize") realSize = parsePaxNumber(key, text);
    else if (key === "GNU.sparse.major") major = parsePaxNumber(key, text);
    else if (key === "GNU.sparse.minor") minor = parsePaxNumber(key, text);
    else if (key === "GNU.sparse.offset") pendingOffset = parsePaxNumber(key, text);
    else if (key === "GNU.sparse.numbytes") {
      if (pendingOffset === undefined) throw corrupt("a length comes before its offset");
      map = appendExtent(map ?? [], pendingOffset, parsePaxNumber(key, text), maxExtents);
      pendingOffset = undefined;
    } else if (key === "GNU.sparse.map") map = parseMapText(text, maxExtents);
  }
  if (!seen) return undefined;
  if (major > 1 || (major === 1 && minor !== 0))
    throw new PlyError("unsupported", `tar: sparse format ${major}.${minor} is unknown`);
  if (realSize === undefined) throw corrupt("it has no real size");
  return { name, realSize, map: major === 1 ? undefined : (map ?? []) };
}

function parseMapText(text: string, maxExtents: number): SparseExtent[] {
  const numbers = text === "" ? [] : text.split(",");
  if (numbers.length % 2 !== 0) throw corrupt("its map has an odd number of numbers");
  const map: SparseExtent[] = [];
  for (let i = 0; i < numbers.length; i += 2)
    appendExtent(
      map,
      parsePaxNumber("GNU.sparse.map", numbers[i] ?? ""),
      parsePaxNumber("GNU.sparse.map", numbers[i + 1] ?? ""),
      maxExtents,
    );
  return map;
}

function appendExtent(
  map: SparseExtent[],
  offset: number,
  length: number,
  maxExtents: number,
): SparseExtent[] {
  // A run of no length only marks where the file ends.
  if (length === 0 && offset >= 0) return map;
  if (map.length >= maxExtents)
    throw new PlyError("limit", `tar: more than ${maxExtents} runs in sparse files`);
  map.push({ offset, length });
  return map;
}

/** Checks that runs ascend, stay within the file and add up to the stored bytes. Throws "corrupt". */
export function checkSparseMap(map: readonly SparseExtent[], realSize: number, storedSize: number): void {
  let end = 0;
  let total = 0;
  if (realSize < 0) throw corrupt(`its real size is ${realSize}`);
  for (const { offset, length } of map) {
    if (length < 0 || offset < end) throw corrupt("its runs overlap or go backwards");
    end = offset + length;
    total += length;
    if (end > realSize) throw corrupt("a run lies behind its end");
  }
  if (total !== storedSize) throw corrupt(`its runs hold ${total} bytes, the archive ${storedSize}`);
}

const OLD_GNU_MAP_AT = 386;
const OLD_GNU_IN_HEADER = 4;
const OLD_GNU_MORE_AT = 482;
const OLD_GNU_REAL_SIZE_AT = 483;
const OLD_GNU_IN_EXTENSION = 21;
const OLD_GNU_EXTENSION_MORE_AT = 504;

/** Reads the runs of an old GNU sparse header (type S); `more` says that an extension block follows. */
export function readOldSparseHeader(
  block: Buffer,
  start: number,
): { readonly realSize: number; readonly map: SparseExtent[]; readonly more: boolean } {
  const map: SparseExtent[] = [];
  readOldRuns(block, start + OLD_GNU_MAP_AT, OLD_GNU_IN_HEADER, map, OLD_GNU_IN_HEADER);
  return {
    realSize: readNumber(block, start + OLD_GNU_REAL_SIZE_AT, 12, "real size"),
    map,
    more: block[start + OLD_GNU_MORE_AT] !== 0 && block[start + OLD_GNU_MORE_AT] !== 0x30,
  };
}

/** Adds the runs of one extension block; true when another follows. */
export function readOldSparseExtension(
  block: Buffer,
  start: number,
  map: SparseExtent[],
  maxExtents: number,
): boolean {
  readOldRuns(block, start, OLD_GNU_IN_EXTENSION, map, maxExtents);
  return block[start + OLD_GNU_EXTENSION_MORE_AT] !== 0 && block[start + OLD_GNU_EXTENSION_MORE_AT] !== 0x30;
}

function readOldRuns(
  block: Buffer,
  start: number,
  count: number,
  map: SparseExtent[],
  maxExtents: number,
): void {
  for (let i = 0; i < count; i++) {
    const at = start + i * 24;
    if (block[at + 12] === 0) return;
    appendExtent(
      map,
      readNumber(block, at, 12, "sparse offset"),
      readNumber(block, at + 12, 12, "sparse length"),
      maxExtents,
    );
  }
}

/** Reads the map of format 1.0 as it comes: decimal lines, padded to a block. */
export interface SparseMapReader {
  /** Takes one 512-byte block; true when the map is complete. Throws "corrupt", "limit". */
  block(block: Buffer, start: number): boolean;
  readonly map: SparseExtent[];
}

export function createSparseMapReader(maxExtents: number): SparseMapReader {
  const map: SparseExtent[] = [];
  let wanted = -1;
  let number = 0;
  let digits = 0;
  let offset: number | undefined;
  const take = (value: number): void => {
    if (wanted === -1) {
      if (value > maxExtents)
        throw new PlyError("limit", `tar: a sparse file of ${value} runs; at most ${maxExtents}`);
      wanted = value * 2;
      return;
    }
    wanted--;
    if (offset === undefined) offset = value;
    else {
      appendExtent(map, offset, value, maxExtents);
      offset = undefined;
    }
  };
  return {
    map,
    block: (block, start) => {
      for (let i = start; i < start + 512 && wanted !== 0; i++) {
        const byte = block[i] ?? 0;
        if (byte === 0x0a) {
          if (digits === 0) throw corrupt("its map is not a list of numbers");
          take(number);
          number = 0;
          digits = 0;
        } else {
          const digit = byte - 0x30;
          if (digit < 0 || digit > 9 || ++digits > 15) throw corrupt("its map is not a list of numbers");
          number = number * 10 + digit;
        }
      }
      return wanted === 0;
    },
  };
}

function corrupt(why: string): PlyError {
  return new PlyError("corrupt", `tar: sparse file: ${why}`);
}
