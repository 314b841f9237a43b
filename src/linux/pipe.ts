import { systemCall, trySystemCall } from "./libc.ts";

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const FIONREAD = 0x541b;

/** Two file descriptors, which the caller owns. */
export interface Pipe {
  readonly read: number;
  readonly write: number;
}

/**
 * A pipe for a child process: close-on-exec, and `ours` does not block. Bun makes socket pairs of "pipe", through which
 * a process cannot open its own `/dev/stdout`. Throws "unavailable" without free descriptors.
 */
export function openPipe(ours: keyof Pipe): Pipe {
  const ends = new Uint8Array(8);
  systemCall("pipe2", undefined, ends, O_CLOEXEC);
  const view = new DataView(ends.buffer);
  const pipe = { read: view.getInt32(0, true), write: view.getInt32(4, true) };
  trySystemCall("fcntl", pipe[ours], F_SETFL, O_NONBLOCK);
  return pipe;
}

/** What was written to a pipe or fifo and not read yet; either end tells. */
export function unreadBytes(fd: number): number {
  const count = new Uint8Array(4);
  systemCall("ioctl", undefined, fd, FIONREAD, count);
  return new DataView(count.buffer).getInt32(0, true);
}
