import { closeSync, readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { sealProgram } from "../linux/index.ts";

/** crun is half a megabyte. What is far bigger (runc) would cost more memory than it saves time. */
const SIZE_LIMIT = 4 * 1024 * 1024;

/**
 * crun executes a copy of itself before it does anything, lest a container overwrite it (CVE-2019-5736): loading it
 * twice is a good part of what an `exec` costs. A copy in memory that is sealed already it takes as it is.
 */
export interface SealedRuntime extends Disposable {
  /** What to execute: valid as long as this process lives, else the program's own path where it cannot be sealed. */
  path(): string;
}

/** The copy is made when it is first asked for, and again when the program was replaced. */
export function openSealedRuntime(program: string): SealedRuntime {
  let made: { readonly fd: number; readonly version: string } | undefined;
  let isRefused = false;
  const close = () => {
    if (made !== undefined) closeSync(made.fd);
    made = undefined;
  };
  return {
    path() {
      if (isRefused) return program;
      try {
        const { ino, mtimeMs, size } = statSync(program);
        const version = `${ino} ${mtimeMs} ${size}`;
        if (made?.version !== version) {
          close();
          if (size > SIZE_LIMIT) return program;
          made = { fd: sealProgram(basename(program), readFileSync(program)), version };
        }
        return `/proc/${process.pid}/fd/${made.fd}`;
      } catch {
        // Kernels may be told to execute nothing from memory (vm.memfd_noexec).
        isRefused = true;
        return program;
      }
    },
    [Symbol.dispose]: close,
  };
}
