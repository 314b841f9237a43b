import { closeSync, writeSync } from "node:fs";
import { systemCall, systemCallError, trySystemCall } from "./libc.ts";

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_EXEC = 0x10;
const EINVAL = 22;
const F_ADD_SEALS = 1033;
/** Nothing of it can be written, shortened, lengthened, and none of that ever taken back. */
const SEALS = 0x1 | 0x2 | 0x4 | 0x8;

/** A program in memory that nobody can change any more (memfd_create(2)); returns its descriptor, close-on-exec. */
export function sealProgram(name: string, bytes: Uint8Array): number {
  const label = Buffer.from(`${name}\0`);
  const create = (flags: number) =>
    trySystemCall("memfd_create", label, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
  let fd = create(MFD_EXEC);
  // Linux before 6.3 does not know the flag, and lets everything be executed.
  if (fd === -EINVAL) fd = create(0);
  if (fd < 0) throw systemCallError("memfd_create", -fd, name);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    systemCall("fcntl", name, fd, F_ADD_SEALS, SEALS);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
