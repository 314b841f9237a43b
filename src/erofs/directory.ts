import { DIRENT_LENGTH, FILE_TYPES, type FileType, MAX_NAME_LENGTH } from "./format.ts";

export interface ErofsDirent {
  /** A byte string. */
  readonly name: string;
  readonly nid: number;
  readonly type: FileType;
}

const TYPE_OF_DIRENT = new Map(
  (Object.keys(FILE_TYPES) as FileType[]).map((type) => [FILE_TYPES[type].dirent as number, type]),
);
const TWO_32 = 2 ** 32;

/** Adds the entries of one directory block, without `.` and `..`; false when the block makes no sense. */
export function parseDirectoryBlock(block: Buffer, into: ErofsDirent[]): boolean {
  if (block.length < DIRENT_LENGTH) return false;
  const namesAt = block.readUInt16LE(8);
  const count = namesAt / DIRENT_LENGTH;
  if (!Number.isInteger(count) || count < 1 || namesAt > block.length) return false;
  for (let n = 0; n < count; n++) {
    const at = n * DIRENT_LENGTH;
    const start = block.readUInt16LE(at + 8);
    const isLast = n === count - 1;
    const end = isLast ? endOfName(block, start) : block.readUInt16LE(at + DIRENT_LENGTH + 8);
    const type = TYPE_OF_DIRENT.get(block.readUInt8(at + 10));
    if (start < namesAt || end <= start || end > block.length || end - start > MAX_NAME_LENGTH) return false;
    const name = block.toString("latin1", start, end);
    if (type === undefined || name.includes("/") || name.includes("\0")) return false;
    const nid = block.readUInt32LE(at) + block.readUInt32LE(at + 4) * TWO_32;
    if (name !== "." && name !== "..") into.push({ name, nid, type });
  }
  return true;
}

/** The last name ends at a NUL or with the block. */
function endOfName(block: Buffer, start: number): number {
  const nul = block.indexOf(0, start);
  return nul < 0 ? block.length : nul;
}
