import { closeSync, constants, openSync } from "node:fs";
import { basename, dirname } from "node:path";
import { PlyError } from "../error.ts";
import { systemCallError, trySystemCall } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** Bytes of sun_path, its NUL included. */
const SUN_PATH_SIZE = 108;
const O_PATH = 0o10000000;

/**
 * Connects to a SOCK_SEQPACKET Unix socket, whatever the length of its path. Returns a non-blocking,
 * close-on-exec file descriptor, which the caller owns.
 */
export function connectSeqpacket(path: string): number {
  const directory = openSync(dirname(path), constants.O_DIRECTORY | O_PATH);
  try {
    const short = Buffer.from(`/proc/self/fd/${directory}/${basename(path)}`);
    if (short.length >= SUN_PATH_SIZE)
      throw new PlyError("invalid", `socket name ${JSON.stringify(basename(path))} is too long`);
    const address = Buffer.alloc(2 + SUN_PATH_SIZE);
    address.writeUInt16LE(AF_UNIX, 0);
    address.set(short, 2);
    const fd = trySystemCall("socket", AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw systemCallError("socket", -fd, path);
    const result = trySystemCall("connect", fd, address, address.length);
    if (result >= 0) return fd;
    closeSync(fd);
    throw systemCallError("connect", -result, path);
  } finally {
    closeSync(directory);
  }
}
