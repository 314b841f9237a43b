import { closeSync, constants, existsSync, openSync } from "node:fs";
import { PlyError } from "../error.ts";
import { mknod, S_IF } from "./inode.ts";
import { systemCall, systemCallError, trySystemCall } from "./libc.ts";
import { type Path, pathText } from "./path.ts";

const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
/** struct loop_config: fd, block_size, struct loop_info64, reserved. */
const LOOP_CONFIG_SIZE = 304;
const LO_FLAGS_OFFSET = 8 + 52;
const LO_FILE_NAME_OFFSET = 8 + 56;
const LO_FILE_NAME_SIZE = 64;
const LO_FLAGS_READ_ONLY = 1;
const LO_FLAGS_AUTOCLEAR = 4;
const LOOP_MAJOR = 7;
/** Others may take the free device between our two calls; this many rivals in a row is a fault. */
const TRIES = 64;

export interface LoopDevice {
  /** `/dev/loop3`. */
  readonly device: string;
  /** Lets go. The kernel frees the device when its last user (a mount) is gone too. Idempotent. */
  close(): void;
}

/** Attaches a file to a free loop device (autoclear). The caller closes it, at best right after mounting. */
export function openLoop(path: Path, options: { readonly readOnly: boolean }): LoopDevice {
  const flags = (options.readOnly ? constants.O_RDONLY : constants.O_RDWR) | O_CLOEXEC;
  const file = openSync(path as string | Buffer, flags);
  try {
    const config = Buffer.alloc(LOOP_CONFIG_SIZE);
    config.writeUInt32LE(file, 0);
    config.writeUInt32LE(LO_FLAGS_AUTOCLEAR | (options.readOnly ? LO_FLAGS_READ_ONLY : 0), LO_FLAGS_OFFSET);
    config.write(pathText(path).slice(0, LO_FILE_NAME_SIZE - 1), LO_FILE_NAME_OFFSET, "latin1");
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const device = freeLoopDevice();
      const fd = openSync(device, flags);
      const result = trySystemCall("ioctl", fd, LOOP_CONFIGURE, config);
      if (result >= 0) {
        let open = true;
        const close = () => {
          if (open) closeSync(fd);
          open = false;
        };
        return { device, close };
      }
      closeSync(fd);
      const error = systemCallError("ioctl LOOP_CONFIGURE", -result, device);
      if (error.details["code"] !== "EBUSY") throw error;
    }
    throw new PlyError("unavailable", `no loop device to be had for ${pathText(path)} in ${TRIES} tries`);
  } finally {
    closeSync(file);
  }
}

const O_CLOEXEC = 0o2000000;

function freeLoopDevice(): string {
  const control = openSync("/dev/loop-control", constants.O_RDWR | O_CLOEXEC);
  try {
    const number = systemCall("ioctl", "/dev/loop-control", control, LOOP_CTL_GET_FREE);
    const device = `/dev/loop${number}`;
    // A container's /dev is a plain tmpfs, where the kernel makes no nodes.
    if (!existsSync(device)) mknod(device, S_IF.BLK | 0o660, LOOP_MAJOR, number);
    return device;
  } finally {
    closeSync(control);
  }
}
