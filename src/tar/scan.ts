import { messageOf, PlyError } from "../error.ts";
import type { SparseExtent, TarEntry } from "./entry.ts";
import { isZeroBlock } from "./field.ts";
import { applyPax, decodeHeader, entryTypeOf, FLAG, hasData, type RawHeader } from "./header.ts";
import {
  MAX_ENTRIES,
  MAX_HOLE_BYTES,
  MAX_LONG_NAME_BYTES,
  MAX_METADATA_BYTES,
  MAX_PAX_BYTES,
  MAX_SPARSE_EXTENTS,
  TAR_BLOCK,
} from "./limit.ts";
import { type PaxRecord, parsePax } from "./pax.ts";
import { quoteBytes } from "./quote.ts";
import {
  checkSparseMap,
  createSparseMapReader,
  readOldSparseExtension,
  readOldSparseHeader,
  readPaxSparse,
  type SparseMapReader,
} from "./sparse.ts";

export interface TarScanOptions {
  /** Called for each entry once its headers are complete, before its data. May throw: the scan ends with that. */
  readonly onEntry: (entry: TarEntry) => void;
  /** Called with the stored data of the entry, piece by piece; the bytes are valid during the call only. */
  readonly onData?: (chunk: Uint8Array, entry: TarEntry) => void;
  /** Entries allowed; the default is {@link MAX_ENTRIES}. */
  readonly maxEntries?: number;
}

/** Reads a tar archive as it is pushed. After a throw it must not be used further. */
export interface TarScanner {
  /** Throws "corrupt", "limit" or "unsupported", with the byte offset and the path. */
  push(chunk: Uint8Array): void;
  /** Says that no more comes; throws "corrupt" when the archive stops in the middle of an entry. */
  end(): void;
  /** Entries seen so far. */
  readonly entryCount: number;
  /** True once the end-of-archive marker was read; what follows is not looked at. */
  readonly isComplete: boolean;
}

/** What the next bytes are. */
type State = "header" | "meta" | "oldSparse" | "sparseMap" | "data" | "done";

/** One for all: most entries have none. */
export const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/** Takes ustar, v7, PAX, GNU and star archives; skips file data without looking at it. */
export function createTarScanner(options: TarScanOptions): TarScanner {
  const { onEntry, onData, maxEntries = MAX_ENTRIES } = options;
  let state: State = "header";
  /** Bytes before the chunk being read. */
  let base = 0;
  let entryCount = 0;
  let metadataBytes = 0;
  let extentCount = 0;
  let holeBytes = 0;
  let lastPath = "";
  /** Whether the header being read has given {@link lastPath}; else it is the entry's before. */
  let isNamed = false;
  let sawZeroBlock = false;

  const carry = Buffer.alloc(TAR_BLOCK);
  let carried = 0;

  /** Data and padding still to pass. */
  let dataLeft = 0;
  let paddingLeft = 0;
  let current: TarEntry | undefined;

  let metaFlag = 0;
  let metaBody = Buffer.alloc(0);
  let metaFilled = 0;
  let globals: PaxRecord[] = [];
  let records: PaxRecord[] | undefined;
  let longName: string | undefined;
  let longLink: string | undefined;

  let pending: RawHeader | undefined;
  let pendingRealSize = 0;
  let pendingMap: SparseExtent[] = [];
  let mapReader: SparseMapReader | undefined;

  const fail = (error: unknown, at: number): never => {
    const where = lastPath === "" ? "" : `, ${isNamed ? "in" : "after"} ${quoteBytes(lastPath)}`;
    const kind = error instanceof PlyError ? error.kind : "internal";
    const hint = error instanceof PlyError ? error.hint : undefined;
    throw new PlyError(kind, `${messageOf(error)} (at byte ${at}${where})`, {
      cause: error,
      details: { offset: at, path: lastPath },
      ...(hint === undefined ? {} : { hint }),
    });
  };

  const emit = (header: RawHeader, offset: number, extents?: SparseExtent[], realSize?: number): void => {
    const type = entryTypeOf(header);
    const storedSize = hasData(header.flag) ? header.size : 0;
    if (storedSize < 0) throw new PlyError("corrupt", `tar: the size is ${storedSize}`);
    if (!Number.isSafeInteger(offset + storedSize + TAR_BLOCK))
      throw new PlyError("limit", `tar: an entry of ${storedSize} bytes is larger than we can count`);
    const isFile = type === "file";
    if (extents !== undefined) {
      checkSparseMap(extents, realSize ?? 0, storedSize);
      extentCount += extents.length;
      holeBytes += (realSize ?? 0) - storedSize;
      if (holeBytes > MAX_HOLE_BYTES)
        throw new PlyError("limit", `tar: sparse files of more than ${MAX_HOLE_BYTES} bytes`);
      if (extentCount > MAX_SPARSE_EXTENTS)
        throw new PlyError("limit", `tar: more than ${MAX_SPARSE_EXTENTS} runs in sparse files`);
    }
    pending = undefined;
    records = undefined;
    longName = undefined;
    longLink = undefined;
    dataLeft = storedSize;
    paddingLeft = paddingOf(storedSize);
    state = storedSize > 0 ? "data" : "header";
    current = undefined;
    if (type === undefined) return;
    metadataBytes += header.path.length + header.linkTarget.length;
    for (const [name, value] of header.xattrs ?? NO_XATTRS) metadataBytes += name.length + value.length;
    if (metadataBytes > MAX_METADATA_BYTES)
      throw new PlyError("limit", `tar: names and xattrs take more than ${MAX_METADATA_BYTES} bytes`);
    if (++entryCount > maxEntries) throw new PlyError("limit", `tar: more than ${maxEntries} entries`);
    current = {
      path: header.path,
      type,
      mode: header.mode,
      uid: header.uid,
      gid: header.gid,
      uname: header.uname,
      gname: header.gname,
      mtimeSeconds: header.mtimeSeconds,
      mtimeNanos: header.mtimeNanos,
      size: isFile ? (realSize ?? storedSize) : 0,
      storedSize: isFile ? storedSize : 0,
      dataOffset: offset,
      linkTarget: type === "symlink" || type === "hardlink" ? header.linkTarget : "",
      devMajor: header.devMajor,
      devMinor: header.devMinor,
      xattrs: header.xattrs ?? NO_XATTRS,
      ...(extents === undefined || !isFile ? {} : { extents }),
    };
    onEntry(current);
  };

  const readHeader = (block: Buffer, start: number, offset: number): void => {
    if (block[start] === 0 && isZeroBlock(block, start, start + TAR_BLOCK)) {
      if (records !== undefined || longName !== undefined || longLink !== undefined)
        throw new PlyError("corrupt", "tar: the archive ends after an extended header");
      if (sawZeroBlock) state = "done";
      sawZeroBlock = true;
      return;
    }
    isNamed = false;
    if (sawZeroBlock) throw new PlyError("corrupt", "tar: a header follows a lone zero block");
    const header = decodeHeader(block, start);
    if (isMeta(header.flag)) {
      startMeta(header);
      return;
    }
    applyPax(header, globals);
    if (records !== undefined) applyPax(header, records);
    if (longName !== undefined) header.path = longName;
    if (longLink !== undefined) header.linkTarget = longLink;
    lastPath = header.path;
    isNamed = true;
    const dataOffset = offset + TAR_BLOCK;
    const room = MAX_SPARSE_EXTENTS - extentCount;
    if (header.flag === FLAG.gnuSparse) {
      const sparse = readOldSparseHeader(block, start);
      pending = header;
      pendingRealSize = sparse.realSize;
      pendingMap = sparse.map;
      if (sparse.more) state = "oldSparse";
      else emit(header, dataOffset, pendingMap, pendingRealSize);
      return;
    }
    const sparse =
      isFileFlag(header.flag) && records !== undefined ? readPaxSparse(records, room) : undefined;
    if (sparse === undefined) {
      emit(header, dataOffset);
      return;
    }
    if (sparse.name !== undefined) header.path = sparse.name;
    lastPath = header.path;
    if (sparse.map !== undefined) {
      emit(header, dataOffset, sparse.map, sparse.realSize);
      return;
    }
    pending = header;
    pendingRealSize = sparse.realSize;
    mapReader = createSparseMapReader(room);
    state = "sparseMap";
  };

  const startMeta = (header: RawHeader): void => {
    const isLong = header.flag === FLAG.gnuLongName || header.flag === FLAG.gnuLongLink;
    const bound = isLong ? MAX_LONG_NAME_BYTES : MAX_PAX_BYTES;
    if (header.size < 0) throw new PlyError("corrupt", `tar: the size is ${header.size}`);
    if (header.size > bound)
      throw new PlyError(
        "limit",
        `tar: ${isLong ? "a long name" : "a PAX header"} of ${header.size} bytes; at most ${bound} are taken`,
      );
    metaFlag = header.flag;
    metaBody = Buffer.allocUnsafe(header.size);
    metaFilled = 0;
    paddingLeft = paddingOf(header.size);
    state = "meta";
    if (header.size === 0) finishMeta();
  };

  const finishMeta = (): void => {
    state = "header";
    if (metaFlag === FLAG.gnuLongName) longName = cutAtNul(metaBody);
    else if (metaFlag === FLAG.gnuLongLink) longLink = cutAtNul(metaBody);
    else if (metaFlag === FLAG.paxGlobal) {
      const changed = parsePax(metaBody);
      const keys = new Set(changed.map((record) => record.key));
      globals = [...globals.filter((record) => !keys.has(record.key)), ...changed];
      const bytes = globals.reduce((sum, record) => sum + record.key.length + record.value.length, 0);
      if (bytes > MAX_PAX_BYTES) throw new PlyError("limit", "tar: too much in global PAX headers");
    } else records = parsePax(metaBody);
  };

  /** Handles one whole block in a state that reads blocks; `offset` is its place in the archive. */
  const readBlock = (block: Buffer, start: number, offset: number): void => {
    try {
      if (state === "header") readHeader(block, start, offset);
      else if (pending !== undefined && state === "oldSparse") {
        if (readOldSparseExtension(block, start, pendingMap, MAX_SPARSE_EXTENTS - extentCount)) return;
        emit(pending, offset + TAR_BLOCK, pendingMap, pendingRealSize);
      } else if (pending !== undefined && mapReader !== undefined) {
        pending.size -= TAR_BLOCK;
        if (pending.size < 0) throw new PlyError("corrupt", "tar: sparse file: its map is cut off");
        if (mapReader.block(block, start)) emit(pending, offset + TAR_BLOCK, mapReader.map, pendingRealSize);
      }
    } catch (error) {
      fail(error, offset);
    }
  };

  const push = (chunk: Uint8Array): void => {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const end = bytes.length;
    let at = 0;
    while (at < end && state !== "done") {
      if (paddingLeft > 0 && dataLeft === 0 && state !== "meta") {
        const step = Math.min(paddingLeft, end - at);
        paddingLeft -= step;
        at += step;
        continue;
      }
      if (state === "data") {
        const step = Math.min(dataLeft, end - at);
        if (onData !== undefined && current !== undefined && current.storedSize > 0)
          onData(chunk.subarray(at, at + step), current);
        dataLeft -= step;
        at += step;
        if (dataLeft === 0) state = "header";
      } else if (state === "meta") {
        const step = Math.min(metaBody.length - metaFilled, end - at);
        bytes.copy(metaBody, metaFilled, at, at + step);
        metaFilled += step;
        at += step;
        if (metaFilled < metaBody.length) continue;
        try {
          finishMeta();
        } catch (error) {
          fail(error, base + at);
        }
      } else if (carried === 0 && end - at >= TAR_BLOCK) {
        readBlock(bytes, at, base + at);
        at += TAR_BLOCK;
      } else {
        const step = Math.min(TAR_BLOCK - carried, end - at);
        bytes.copy(carry, carried, at, at + step);
        carried += step;
        at += step;
        if (carried < TAR_BLOCK) continue;
        carried = 0;
        readBlock(carry, 0, base + at - TAR_BLOCK);
      }
    }
    base += end;
  };

  const end = (): void => {
    if (state === "done") return;
    const inEntry = dataLeft > 0 || state !== "header";
    const inHeader = carried > 0 && !isZeroBlock(carry, 0, carried);
    const hangs = records !== undefined || longName !== undefined || longLink !== undefined;
    if (!inEntry && !inHeader && !hangs) return;
    const where = inEntry && state === "data" ? `in the data of ${quoteBytes(lastPath)}` : "in a header";
    const after = state === "data" || lastPath === "" ? "" : ` after ${quoteBytes(lastPath)}`;
    const missing = dataLeft > 0 ? `, ${dataLeft} bytes too early` : "";
    throw new PlyError("corrupt", `tar: the archive ends at byte ${base}, ${where}${after}${missing}`, {
      details: { offset: base, path: lastPath },
    });
  };

  return {
    push,
    end,
    get entryCount() {
      return entryCount;
    },
    get isComplete() {
      return state === "done";
    },
  };
}

function isMeta(flag: number): boolean {
  return (
    flag === FLAG.pax ||
    flag === FLAG.paxGlobal ||
    flag === FLAG.solarisPax ||
    flag === FLAG.gnuLongName ||
    flag === FLAG.gnuLongLink
  );
}

function isFileFlag(flag: number): boolean {
  return flag === FLAG.file || flag === FLAG.oldFile || flag === FLAG.contiguous;
}

function paddingOf(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

function cutAtNul(body: Buffer): string {
  const nul = body.indexOf(0);
  return body.toString("latin1", 0, nul === -1 ? body.length : nul);
}
