import { PlyError } from "../error.ts";
import { systemCall } from "./libc.ts";
import { cString, type Path, pathText } from "./path.ts";

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const NANOS = 1_000_000_000n;

/** File type bits of st_mode, which say what {@link mknod} makes. */
export const S_IF = { FIFO: 0o010000, CHR: 0o020000, BLK: 0o060000, REG: 0o100000, SOCK: 0o140000 } as const;

/** mknod(2): `mode` with its type bits ({@link S_IF}); the umask applies. */
export function mknod(path: Path, mode: number, major = 0, minor = 0): void {
  systemCall("mknodat", pathText(path), AT_FDCWD, cString(path), mode, encodeDevice(major, minor));
}

/** Device number in the kernel's 32-bit form: 12 bits of major, 20 bits of minor. */
function encodeDevice(major: number, minor: number): number {
  const fits = (value: number, bits: number) => Number.isInteger(value) && value >= 0 && value < 2 ** bits;
  if (!fits(major, 12) || !fits(minor, 20))
    throw new PlyError("invalid", `device number ${major}:${minor} is out of range`);
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** Sets both times (nanoseconds since 1970, may be negative) without following a link. */
export function utimensNs(path: Path, atime: bigint, mtime: bigint): void {
  const times = Buffer.alloc(32);
  for (const [at, time] of [atime, mtime].entries()) {
    const nanos = ((time % NANOS) + NANOS) % NANOS;
    times.writeBigInt64LE((time - nanos) / NANOS, at * 16);
    times.writeBigInt64LE(nanos, at * 16 + 8);
  }
  systemCall("utimensat", pathText(path), AT_FDCWD, cString(path), times, AT_SYMLINK_NOFOLLOW);
}
