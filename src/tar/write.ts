import { isUtf8 } from "node:buffer";
import { PlyError } from "../error.ts";
import { bytesOf } from "./byte-string.ts";
import type { SparseExtent, TarEntry, TarEntryType } from "./entry.ts";
import { headerChecksum, octalMax, writeOctal } from "./field.ts";
import { FLAG } from "./header.ts";
import { TAR_BLOCK } from "./limit.ts";
import { formatPaxRecord, formatPaxTime, formatXattr } from "./pax.ts";

/** What a header says. Absent: owner 0, no names, time 0, size 0, nothing else. */
export type TarHeaderFields = Pick<TarEntry, "path" | "type" | "mode"> &
  Partial<Omit<TarEntry, "storedSize" | "dataOffset">>;

/** Two zero blocks: the end of an archive. */
export const TAR_END: Uint8Array = new Uint8Array(2 * TAR_BLOCK);

const ZEROS = new Uint8Array(TAR_BLOCK);

/** The zeros that follow `size` bytes of data. */
export function tarPadding(size: number): Uint8Array {
  return ZEROS.subarray(0, (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);
}

const FLAG_OF: Readonly<Record<TarEntryType, number>> = {
  file: FLAG.file,
  directory: FLAG.directory,
  symlink: FLAG.symlink,
  hardlink: FLAG.hardlink,
  char: FLAG.char,
  block: FLAG.block,
  fifo: FLAG.fifo,
};

/**
 * The header of one entry, to be followed by its data and {@link tarPadding}: one ustar block, with a PAX
 * header before it where that does not hold everything. The same fields give the same bytes. The path is
 * written as it is (directories are wanted with a final slash by old readers). With `extents` the file is
 * written sparse (PAX 1.0): its data are the runs, one after the other, padded as one; readers differ on
 * where a run starts after one that does not fill its block, so all but the last must have whole blocks.
 * Throws "invalid" for what no tar can hold.
 */
export function tarHeader(fields: TarHeaderFields): Uint8Array {
  checkFields(fields);
  const sparse = fields.extents === undefined ? undefined : formatSparseMap(fields.extents, fields.size ?? 0);
  const stored = (fields.extents ?? []).reduce((sum, extent) => sum + extent.length, 0);
  const size =
    fields.type !== "file" ? 0 : sparse === undefined ? (fields.size ?? 0) : sparse.length + stored;
  const name = splitPath(fields.path);
  const records = paxRecords(fields, size, name === undefined, sparse !== undefined);
  const block = ustarBlock({ ...fields, size }, name ?? { prefix: "", name: fields.path.slice(0, 100) });
  const parts: Uint8Array[] = [];
  if (records.length > 0) {
    const body = Buffer.concat(records);
    const paxName = `PaxHeaders/${fields.path.replace(/\/+$/, "").split("/").at(-1) ?? ""}`.slice(0, 100);
    const paxFields = { path: paxName, type: "file", mode: 0o644, size: body.length } as const;
    parts.push(ustarBlock(paxFields, { prefix: "", name: paxName }, FLAG.pax), body, tarPadding(body.length));
  }
  parts.push(block);
  if (sparse !== undefined) parts.push(sparse);
  return parts.length === 1 ? block : Buffer.concat(parts);
}

function checkFields(fields: TarHeaderFields): void {
  const bad = (what: string): never => {
    throw new PlyError("invalid", `tar: ${what}, in ${JSON.stringify(fields.path)}`);
  };
  if (fields.path === "") bad("a path is empty");
  for (const key of ["path", "linkTarget", "uname", "gname"] as const)
    if (fields[key]?.includes("\0")) bad(`the ${key} holds a NUL`);
  for (const key of ["uid", "gid", "size", "devMajor", "devMinor"] as const) {
    const value = fields[key] ?? 0;
    if (!Number.isSafeInteger(value) || value < 0) bad(`the ${key} is ${value}`);
  }
  if ((fields.extents ?? []).slice(0, -1).some(({ length }) => length % TAR_BLOCK !== 0))
    bad("a run of a sparse file is not whole blocks");
  if (!Number.isSafeInteger(fields.mtimeSeconds ?? 0)) bad(`the mtime is ${fields.mtimeSeconds}`);
}

const NAME_LENGTH = 100;
const PREFIX_LENGTH = 155;

/** Cuts a path for the name and prefix fields; undefined when it does not fit. */
function splitPath(path: string): { readonly prefix: string; readonly name: string } | undefined {
  if (path.length <= NAME_LENGTH) return { prefix: "", name: path };
  if (path.length > PREFIX_LENGTH + 1 + NAME_LENGTH) return undefined;
  // The slash that parts them must leave a name, which may itself end in a slash.
  const slash = path.indexOf("/", path.length - NAME_LENGTH - 1);
  if (slash <= 0 || slash > PREFIX_LENGTH || slash === path.length - 1) return undefined;
  return { prefix: path.slice(0, slash), name: path.slice(slash + 1) };
}

function paxRecords(fields: TarHeaderFields, size: number, longPath: boolean, isSparse: boolean): Buffer[] {
  const records: Buffer[] = [];
  const text = (key: string, value: string): void => {
    const bytes = bytesOf(value);
    // PAX names are UTF-8 unless said otherwise (POSIX pax, hdrcharset).
    if (!isUtf8(bytes)) needsBinary = true;
    records.push(formatPaxRecord(key, bytes));
  };
  let needsBinary = false;
  if (isSparse) {
    text("GNU.sparse.major", "1");
    text("GNU.sparse.minor", "0");
    text("GNU.sparse.name", fields.path);
    text("GNU.sparse.realsize", String(fields.size ?? 0));
  }
  if (longPath) text("path", fields.path);
  if ((fields.linkTarget ?? "").length > NAME_LENGTH) text("linkpath", fields.linkTarget ?? "");
  if (size > octalMax(12)) text("size", String(size));
  if ((fields.uid ?? 0) > octalMax(8)) text("uid", String(fields.uid));
  if ((fields.gid ?? 0) > octalMax(8)) text("gid", String(fields.gid));
  if ((fields.uname ?? "").length > 32) text("uname", fields.uname ?? "");
  if ((fields.gname ?? "").length > 32) text("gname", fields.gname ?? "");
  if ((fields.devMajor ?? 0) > octalMax(8)) text("SCHILY.devmajor", String(fields.devMajor));
  if ((fields.devMinor ?? 0) > octalMax(8)) text("SCHILY.devminor", String(fields.devMinor));
  const seconds = fields.mtimeSeconds ?? 0;
  const nanos = fields.mtimeNanos ?? 0;
  if (nanos !== 0 || seconds < 0 || seconds > octalMax(12)) text("mtime", formatPaxTime({ seconds, nanos }));
  for (const [name, value] of [...(fields.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)))
    records.push(formatXattr(name, value));
  if (needsBinary) records.unshift(formatPaxRecord("hdrcharset", bytesOf("BINARY")));
  return records;
}

function ustarBlock(
  fields: TarHeaderFields,
  path: { readonly prefix: string; readonly name: string },
  flag = FLAG_OF[fields.type],
): Buffer {
  const block = Buffer.alloc(TAR_BLOCK);
  const octal = (start: number, length: number, value: number): void =>
    writeOctal(block, start, length, value < 0 || value > octalMax(length) ? 0 : value);
  block.write(path.name, 0, NAME_LENGTH, "latin1");
  octal(100, 8, fields.mode & 0o7777);
  octal(108, 8, fields.uid ?? 0);
  octal(116, 8, fields.gid ?? 0);
  octal(124, 12, fields.size ?? 0);
  octal(136, 12, fields.mtimeSeconds ?? 0);
  block[156] = flag;
  block.write((fields.linkTarget ?? "").slice(0, NAME_LENGTH), 157, NAME_LENGTH, "latin1");
  block.write("ustar\u000000", 257, 8, "latin1");
  block.write((fields.uname ?? "").slice(0, 32), 265, 32, "latin1");
  block.write((fields.gname ?? "").slice(0, 32), 297, 32, "latin1");
  octal(329, 8, fields.devMajor ?? 0);
  octal(337, 8, fields.devMinor ?? 0);
  block.write(path.prefix, 345, PREFIX_LENGTH, "latin1");
  writeOctal(block, 148, 7, headerChecksum(block, 0));
  block[155] = 0x20;
  return block;
}

/** The map of PAX sparse format 1.0: decimal lines, padded to a block. */
function formatSparseMap(extents: readonly SparseExtent[], size: number): Buffer {
  const last = extents.at(-1);
  const end = last === undefined ? 0 : last.offset + last.length;
  // GNU tar makes the file no longer than its last run, even if that is empty.
  const runs = end < size ? [...extents, { offset: size, length: 0 }] : extents;
  const lines = [`${runs.length}\n`, ...runs.map(({ offset, length }) => `${offset}\n${length}\n`)];
  const text = bytesOf(lines.join(""));
  return Buffer.concat([text, tarPadding(text.length)]);
}
