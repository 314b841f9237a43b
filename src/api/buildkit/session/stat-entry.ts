import { PlyError } from "../../../error.ts";
import type { Given, Read } from "../../../grpc/index.ts";
import { quoteBytes, type TarEntry, type TarEntryType, type TarHeaderFields } from "../../../tar/index.ts";
import type { Stat } from "./methods.ts";

/** Bits of Go's `os.FileMode` beside the nine of permissions. */
const MODE = {
  directory: 2 ** 31,
  symlink: 1 << 27,
  device: 1 << 26,
  fifo: 1 << 25,
  socket: 1 << 24,
  setuid: 1 << 23,
  setgid: 1 << 22,
  charDevice: 1 << 21,
  sticky: 1 << 20,
  irregular: 1 << 19,
} as const;

const TYPES =
  MODE.directory | MODE.symlink | MODE.device | MODE.fifo | MODE.socket | MODE.charDevice | MODE.irregular;
const NANOS = 1_000_000_000n;

/** Labels of the client's host, and marks of its overlays: they mean nothing here. */
const FOREIGN_XATTR = /^(?:trusted|user)\.overlay\.|^security\.(?!capability$)|^com\.apple\./;

/** What a client says of a file, as an entry of a tar. Throws "invalid" for what no file can be. */
export function entryOfStat(stat: Read<typeof Stat>): TarHeaderFields & { readonly size: number } {
  const path = latin(stat.path);
  const type = typeOf(stat, path);
  const linkTarget = latin(stat.linkName);
  if (path.includes("\0") || linkTarget.includes("\0") || stat.size < 0) throw wrong(path, "no proper entry");
  if (type === "symlink" && linkTarget === "") throw wrong(path, "a link to nothing");
  // Floor, before 1970 too.
  const seconds = stat.modTime / NANOS - (stat.modTime % NANOS < 0n ? 1n : 0n);
  return {
    path: type === "directory" ? `${path}/` : path,
    type,
    mode: permissionsOf(stat.mode),
    uid: stat.uid,
    gid: stat.gid,
    mtimeSeconds: Number(seconds),
    mtimeNanos: Number(stat.modTime - seconds * NANOS),
    size: type === "file" ? stat.size : 0,
    ...(type === "symlink" || type === "hardlink" ? { linkTarget } : {}),
    ...(type === "char" || type === "block" ? { devMajor: stat.devMajor, devMinor: stat.devMinor } : {}),
    ...(stat.xattrs.size === 0 ? {} : { xattrs: xattrsOf(stat.xattrs) }),
  };
}

function typeOf({ mode, linkName }: Read<typeof Stat>, path: string): TarEntryType {
  const type = (mode & TYPES) >>> 0;
  if (type === 0) return linkName.length === 0 ? "file" : "hardlink";
  const found = ENTRY_TYPES.get(type);
  if (found === undefined) throw wrong(path, `an unknown kind of file (${type.toString(16)})`);
  return found;
}

const ENTRY_TYPES: ReadonlyMap<number, TarEntryType> = new Map([
  [MODE.directory, "directory"],
  [MODE.symlink, "symlink"],
  [MODE.device, "block"],
  [MODE.device | MODE.charDevice, "char"],
  [MODE.fifo, "fifo"],
]);

const TYPE_BITS = new Map([...ENTRY_TYPES].map(([bits, type]) => [type, bits]));

/** Bits above the nine of permissions, as POSIX has them. */
const SPECIAL = [
  [MODE.setuid, 0o4000],
  [MODE.setgid, 0o2000],
  [MODE.sticky, 0o1000],
] as const;

function permissionsOf(mode: number): number {
  return SPECIAL.reduce((bits, [go, posix]) => ((mode & go) === 0 ? bits : bits | posix), mode & 0o777);
}

function xattrsOf(given: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  return new Map(
    [...given]
      .filter(([name]) => !FOREIGN_XATTR.test(name) && !name.includes("\0") && !name.includes("="))
      .map(([name, value]) => [Buffer.from(name).toString("latin1"), value]),
  );
}

/** An entry of a tar as it is told to a client. `path` is clean. */
export function statOfEntry(path: string, entry: TarEntry): Given<typeof Stat> {
  const special = SPECIAL.reduce((bits, [go, posix]) => ((entry.mode & posix) === 0 ? bits : bits | go), 0);
  return {
    path: Buffer.from(path, "latin1"),
    mode: ((TYPE_BITS.get(entry.type) ?? 0) | special | (entry.mode & 0o777)) >>> 0,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.size,
    modTime: BigInt(entry.mtimeSeconds) * NANOS + BigInt(entry.mtimeNanos),
    linkName: Buffer.from(entry.linkTarget, "latin1"),
    devMajor: entry.devMajor,
    devMinor: entry.devMinor,
    xattrs: new Map(
      [...entry.xattrs].map(([name, value]) => [Buffer.from(name, "latin1").toString(), value]),
    ),
  };
}

/** The client's fault. */
export function wrong(path: string, what: string): PlyError {
  return new PlyError("invalid", `the client sends ${what}: ${quoteBytes(path)}`);
}

function latin(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
