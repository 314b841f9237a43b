import { PlyError } from "../error.ts";
import { NO_XATTRS, quoteBytes, type TarEntry } from "../tar/index.ts";
import type { LayerEntry } from "./entry.ts";
import { cleanPath, MAX_TARGET_LENGTH, nameOf, parentOf } from "./path.ts";

/** Marker names of OCI image-spec, layer.md#whiteouts; those under `.wh..wh.` other than the opaque one are aufs's own. */
export const WHITEOUT_PREFIX = ".wh.";
export const OPAQUE_MARKER = ".wh..wh..opq";
const AUFS_PREFIX = ".wh..wh.";
/** Old Docker layers from aufs keep the files that hard links point to in here. */
const AUFS_LINKS = ".wh..wh.plnk/";

/** A layer beyond these is a bomb, not an image: its index would not fit in memory. */
const MAX_ENTRIES = 4_000_000;
const MAX_TEXT_BYTES = 512 * 1024 * 1024;
/** Bounds of EROFS (erofs-format.md, section 14) and of the kernel's names. */
const MAX_XATTR_NAME = 255;
const MAX_XATTR_VALUE = 65_535;
const MAX_XATTR_BODY = 262_148;
const MAX_ID = 0xffff_ffff;
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xf_ffff;
/** Some 35 million years: what the index can code and EROFS can hold. */
const MAX_SECONDS = 2 ** 50;
const TAR_BLOCK = 512;

export interface EntryCollector {
  /** Takes the next entry of the archive. Throws "invalid" or "limit", naming the entry. */
  add(entry: TarEntry): void;
  /** All entries, in archive order. */
  finish(): LayerEntry[];
}

/**
 * Turns the entries of a layer's tar into what its index keeps.
 *
 * - Paths and hard link targets are cleaned ({@link cleanPath}); symlink targets stay as written.
 * - `.wh.NAME` becomes a whiteout, `.wh..wh..opq` marks its directory opaque, other `.wh..wh.*` go (aufs).
 * - A char device 0:0 becomes a whiteout too: unpacked by Docker, Podman or containerd it lands in an overlayfs
 *   lower directory as it is, and overlayfs takes it for one. (`umoci unpack` into a plain directory shows a device.)
 * - `trusted.overlay.*` and `user.overlay.*` are left out: the overlay over the image would obey them. The
 *   tar itself keeps them, so digests do not change.
 */
export function createEntryCollector(): EntryCollector {
  const entries: LayerEntry[] = [];
  const aufsFiles = new Map<string, TarEntry>();
  let textBytes = 0;
  return {
    add(entry) {
      const path = cleanPath(entry.path, "entry");
      textBytes += path.length + entry.linkTarget.length;
      if (path.includes(WHITEOUT_PREFIX) && isMarker(path)) {
        if (path.startsWith(AUFS_LINKS) && entry.type === "file") aufsFiles.set(nameOf(path), entry);
        const marker = markerOf(path);
        if (marker !== undefined) entries.push(marker);
      } else if (entry.type === "hardlink") {
        entries.push(hardLinkOf(path, entry, aufsFiles));
      } else {
        const made = plainEntryOf(path, entry);
        for (const [name, value] of made.xattrs) textBytes += name.length + value.length;
        entries.push(made);
      }
      if (entries.length > MAX_ENTRIES)
        throw new PlyError("limit", `the layer has more than ${MAX_ENTRIES} entries`);
      if (textBytes > MAX_TEXT_BYTES)
        throw new PlyError("limit", "the names and attributes of the layer take more than 512 MiB");
    },
    finish: () => entries,
  };
}

/** True when some component is a reserved name. */
function isMarker(path: string): boolean {
  return path.startsWith(WHITEOUT_PREFIX) || path.includes(`/${WHITEOUT_PREFIX}`);
}

/** The whiteout or opaque entry that a marker name stands for; undefined for what is aufs's own. */
function markerOf(path: string): LayerEntry | undefined {
  const directory = parentOf(path);
  const name = nameOf(path);
  if (directory.startsWith(AUFS_PREFIX) || directory.includes(`/${AUFS_PREFIX}`)) return undefined;
  if (isMarker(directory))
    throw new PlyError("invalid", `entry ${quoteBytes(path)} lies below a whiteout's name`);
  if (name === OPAQUE_MARKER) return emptyEntry(directory, "opaque");
  if (name.startsWith(AUFS_PREFIX)) return undefined;
  const hidden = name.slice(WHITEOUT_PREFIX.length);
  if (hidden === "" || hidden === "." || hidden === "..")
    throw new PlyError("invalid", `entry ${quoteBytes(path)} is a whiteout of no name`);
  return emptyEntry(directory === "" ? hidden : `${directory}/${hidden}`, "whiteout");
}

function hardLinkOf(path: string, entry: TarEntry, aufsFiles: ReadonlyMap<string, TarEntry>): LayerEntry {
  if (path === "") throw new PlyError("invalid", "the root of a layer is a hard link");
  const target = cleanPath(entry.linkTarget, `hard link ${quoteBytes(path)} to`);
  if (target.startsWith(AUFS_LINKS)) {
    const file = aufsFiles.get(nameOf(target));
    if (file !== undefined) return plainEntryOf(path, file);
  }
  if (target === "" || isMarker(target))
    throw new PlyError(
      "invalid",
      `hard link ${quoteBytes(path)} to ${quoteBytes(entry.linkTarget)}: not a file of the image`,
    );
  return { ...emptyEntry(path, "hardlink"), linkTarget: target };
}

function plainEntryOf(path: string, entry: TarEntry): LayerEntry {
  const { type } = entry;
  if (type === "hardlink") throw new PlyError("internal", "a hard link is not a plain entry");
  if (path === "" && type !== "directory")
    throw new PlyError("invalid", `the root of a layer is a ${type}, not a directory`);
  const isDevice = type === "char" || type === "block";
  if (type === "char" && entry.devMajor === 0 && entry.devMinor === 0) return emptyEntry(path, "whiteout");
  checkNumber(path, "uid", entry.uid, MAX_ID);
  checkNumber(path, "gid", entry.gid, MAX_ID);
  if (!Number.isInteger(entry.mtimeSeconds) || Math.abs(entry.mtimeSeconds) > MAX_SECONDS)
    refuse(path, `time ${entry.mtimeSeconds} is out of range`);
  checkNumber(path, "nanoseconds", entry.mtimeNanos, 999_999_999);
  if (isDevice) {
    checkNumber(path, "device major", entry.devMajor, MAX_MAJOR);
    checkNumber(path, "device minor", entry.devMinor, MAX_MINOR);
  }
  const made: LayerEntry = {
    path,
    type,
    mode: entry.mode & 0o7777,
    uid: entry.uid,
    gid: entry.gid,
    mtimeSeconds: entry.mtimeSeconds,
    mtimeNanos: entry.mtimeNanos,
    size: 0,
    offset: 0,
    linkTarget: type === "symlink" ? checkedTarget(path, entry.linkTarget) : "",
    rdevMajor: isDevice ? entry.devMajor : 0,
    rdevMinor: isDevice ? entry.devMinor : 0,
    xattrs: entry.xattrs.size === 0 ? NO_XATTRS : keptXattrs(path, entry.xattrs),
  };
  if (type === "file" && entry.size !== 0) addContent(made, entry);
  return made;
}

function addContent(made: LayerEntry, entry: TarEntry): void {
  checkNumber(made.path, "size", entry.size, Number.MAX_SAFE_INTEGER);
  made.size = entry.size;
  if (entry.storedSize !== 0) {
    checkNumber(made.path, "data offset", entry.dataOffset, Number.MAX_SAFE_INTEGER - entry.size);
    if (entry.dataOffset % TAR_BLOCK !== 0)
      refuse(made.path, `its data begin at ${entry.dataOffset}, off the 512-byte grid`);
    made.offset = entry.dataOffset;
  }
  if (entry.extents === undefined) return;
  let end = 0;
  let stored = 0;
  const extents: { offset: number; length: number }[] = [];
  for (const { offset, length } of entry.extents) {
    checkNumber(made.path, "sparse offset", offset, entry.size);
    checkNumber(made.path, "sparse length", length, entry.size - offset);
    if (offset < end) refuse(made.path, "its sparse map is not in order");
    end = offset + length;
    stored += length;
    if (length > 0) extents.push({ offset, length });
  }
  if (stored !== entry.storedSize)
    refuse(made.path, `its sparse map covers ${stored} bytes, the archive has ${entry.storedSize}`);
  made.extents = extents;
}

function checkedTarget(path: string, target: string): string {
  if (target === "") refuse(path, "a symlink without a target");
  if (target.includes("\0")) refuse(path, "its symlink target contains a NUL byte");
  if (target.length > MAX_TARGET_LENGTH)
    throw new PlyError(
      "limit",
      `entry ${quoteBytes(path)}: a symlink target of ${target.length} bytes, over ${MAX_TARGET_LENGTH}`,
    );
  return target;
}

function keptXattrs(path: string, given: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  const kept = new Map<string, Uint8Array>();
  let body = 12;
  for (const [name, value] of given) {
    if (name.startsWith("trusted.overlay.") || name.startsWith("user.overlay.")) continue;
    if (name === "" || name.includes("\0")) refuse(path, `an extended attribute named ${quoteBytes(name)}`);
    body += 8 + name.length + value.length;
    if (name.length > MAX_XATTR_NAME || value.length > MAX_XATTR_VALUE || body > MAX_XATTR_BODY)
      throw new PlyError(
        "limit",
        `entry ${quoteBytes(path)}: extended attribute ${quoteBytes(name)} (${value.length} bytes) is too large: ` +
          `names take ${MAX_XATTR_NAME} bytes, values ${MAX_XATTR_VALUE}, all of a file ${MAX_XATTR_BODY}`,
      );
    kept.set(name, value);
  }
  return kept.size === 0 ? NO_XATTRS : kept;
}

/** An entry with nothing but a path; the base of whiteouts, opaque markers and hard links. */
export function emptyEntry(path: string, type: LayerEntry["type"]): LayerEntry {
  return {
    path,
    type,
    mode: 0,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    mtimeNanos: 0,
    size: 0,
    offset: 0,
    linkTarget: "",
    rdevMajor: 0,
    rdevMinor: 0,
    xattrs: NO_XATTRS,
  };
}

function checkNumber(path: string, what: string, value: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > max)
    refuse(path, `${what} ${value} is out of range (0 to ${max})`);
}

function refuse(path: string, why: string): never {
  throw new PlyError("invalid", `entry ${quoteBytes(path)}: ${why}`);
}
