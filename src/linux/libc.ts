import type * as BunFfi from "bun:ffi";
import { constants as osConstants } from "node:os";
import type { ErrorKind } from "../error.ts";
import { PlyError } from "../error.ts";

/**
 * System call numbers, for the two machines we build for. Going through syscall(2) alone keeps us
 * independent of which wrappers the C library of the host has.
 */
const NUMBERS = {
  x64: {
    lseek: 8,
    ioctl: 16,
    socket: 41,
    connect: 42,
    sendto: 44,
    recvfrom: 45,
    bind: 49,
    setsockopt: 54,
    fcntl: 72,
    flock: 73,
    mount: 165,
    umount2: 166,
    lsetxattr: 189,
    lgetxattr: 192,
    llistxattr: 195,
    lremovexattr: 198,
    unshare: 272,
    setns: 308,
    mknodat: 259,
    utimensat: 280,
    open_tree: 428,
    move_mount: 429,
    fsopen: 430,
    fsconfig: 431,
    fsmount: 432,
    fspick: 433,
    pidfd_open: 434,
    openat2: 437,
    memfd_create: 319,
    statx: 332,
    mount_setattr: 442,
    pipe2: 293,
  },
  arm64: {
    ioctl: 29,
    lseek: 62,
    socket: 198,
    bind: 200,
    connect: 203,
    sendto: 206,
    recvfrom: 207,
    setsockopt: 208,
    unshare: 97,
    setns: 268,
    fcntl: 25,
    flock: 32,
    mount: 40,
    umount2: 39,
    lsetxattr: 6,
    lgetxattr: 9,
    llistxattr: 12,
    lremovexattr: 15,
    mknodat: 33,
    utimensat: 88,
    open_tree: 428,
    move_mount: 429,
    fsopen: 430,
    fsconfig: 431,
    fsmount: 432,
    fspick: 433,
    pipe2: 59,
    pidfd_open: 434,
    openat2: 437,
    memfd_create: 279,
    statx: 291,
    mount_setattr: 442,
  },
} as const;

export type SystemCallName = keyof (typeof NUMBERS)["x64"];

/** A buffer is passed as its address; null and an empty buffer as NULL. */
export type SystemCallArgument = number | bigint | Uint8Array | null;

interface Libc {
  readonly numbers: Readonly<Record<SystemCallName, number>>;
  readonly address: (bytes: Uint8Array) => number;
  readonly syscall: (...args: (number | bigint)[]) => number;
  /** errno of this thread. */
  readonly errno: () => number;
}

function loadLibc(): Libc {
  const ffi =
    process.versions["bun"] === undefined
      ? undefined
      : (process.getBuiltinModule("bun:ffi") as unknown as typeof BunFfi | undefined);
  if (ffi === undefined)
    throw new PlyError("unsupported", "this needs a Linux system call, which only Bun can make, not Node", {
      hint: "run the program with Bun",
    });
  const numbers = process.arch === "x64" || process.arch === "arm64" ? NUMBERS[process.arch] : undefined;
  if (numbers === undefined || process.platform !== "linux")
    throw new PlyError("unsupported", `no system calls on ${process.platform} ${process.arch}`, {
      hint: "linux on x64 or arm64 is supported",
    });
  const { symbols } = ffi.dlopen("libc.so.6", {
    syscall: { args: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], returns: ffi.FFIType.i64_fast },
    __errno_location: { args: [], returns: "ptr" },
  });
  // The address is fixed per thread: read from memory, errno costs no call that could overwrite it.
  const errnoAddress = symbols.__errno_location();
  if (errnoAddress === null) throw new PlyError("internal", "the C library has no errno");
  return {
    numbers,
    address: (bytes) => ffi.ptr(bytes),
    syscall: symbols.syscall as unknown as Libc["syscall"],
    errno: () => ffi.read.i32(errnoAddress, 0),
  };
}

// Loaded by the first call, so that importing the room costs nothing and works under Node.
let loaded: Libc | undefined;

/** What the runtimes' own table leaves out: file-backed mounts refused, a corrupt filesystem. */
const MORE_ERRNO_NAMES = { ENOTBLK: 15, EUCLEAN: 117 } as const;
const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries({ ...osConstants.errno, ...MORE_ERRNO_NAMES }).map(([name, number]) => [number, name]),
);

const KINDS: Readonly<Record<string, ErrorKind>> = {
  ENOENT: "not-found",
  ENOTDIR: "not-found",
  ENODATA: "not-found",
  ENXIO: "not-found",
  EEXIST: "exists",
  EBUSY: "conflict",
  EWOULDBLOCK: "conflict",
  EAGAIN: "conflict",
  EPERM: "denied",
  EACCES: "denied",
  EROFS: "denied",
  ENOSYS: "unsupported",
  ENOTSUP: "unsupported",
  EOPNOTSUPP: "unsupported",
  ENODEV: "unsupported",
  ENOTBLK: "unsupported",
  EINVAL: "invalid",
  ENAMETOOLONG: "invalid",
  ELOOP: "invalid",
  E2BIG: "limit",
  ENOSPC: "limit",
  EDQUOT: "limit",
  ERANGE: "limit",
  ECONNREFUSED: "unavailable",
  ENOMEM: "unavailable",
  EMFILE: "unavailable",
  ENFILE: "unavailable",
};

/** The name of an errno: `ENOENT`. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

/** The PlyError of a failed call: details `{ errno, code, call, path }`. */
export function systemCallError(call: string, errno: number, path?: string, more?: string): PlyError {
  const code = errnoName(errno);
  const where = path === undefined ? "" : ` ${path}`;
  return new PlyError(KINDS[code] ?? "internal", `${call}${where}: ${code}${more ? ` (${more})` : ""}`, {
    details: { errno, code, call, ...(path === undefined ? {} : { path }) },
  });
}

/** Makes a system call; a negative result is minus errno, nothing is thrown for it. */
export function trySystemCall(name: SystemCallName, ...args: SystemCallArgument[]): number {
  loaded ??= loadLibc();
  const { address, syscall, errno, numbers } = loaded;
  const words: (number | bigint)[] = [numbers[name]];
  for (let at = 0; at < 6; at++) {
    const arg = args[at] ?? 0;
    words.push(typeof arg === "object" ? (arg.length === 0 ? 0 : address(arg)) : arg);
  }
  const result = syscall(...words);
  return result === -1 ? -errno() : result;
}

/** A system call that is made many thousand times: nothing is put together for each. */
export interface RepeatedCall {
  /** A negative result is minus errno. */
  call(a: number, b: number, c: number, d: number, e: number): number;
  /** Where bytes are, for as long as the caller keeps them. */
  addressOf(bytes: Uint8Array): number;
}

export function repeatedCall(name: SystemCallName): RepeatedCall {
  loaded ??= loadLibc();
  const { address, syscall, errno, numbers } = loaded;
  const number = numbers[name];
  return {
    call(a, b, c, d, e) {
      const result = syscall(number, a, b, c, d, e, 0);
      return result === -1 ? -errno() : result;
    },
    addressOf: address,
  };
}

/** Makes a system call; throws {@link systemCallError} about `path` when it fails. */
export function systemCall(
  name: SystemCallName,
  path: string | undefined,
  ...args: SystemCallArgument[]
): number {
  const result = trySystemCall(name, ...args);
  if (result < 0) throw systemCallError(name, -result, path);
  return result;
}

/** True when a system call failed with this errno: `failedWith(error, "ENOTBLK")`. */
export function failedWith(error: unknown, code: string): boolean {
  return error instanceof PlyError && error.details["code"] === code;
}
