import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeErofs } from "../erofs/index.ts";
import { readInto } from "../host-file.ts";
import type { TreeNode } from "../layer/index.ts";
import { unmountAll } from "../overlay/index.ts";
import type { View } from "./driver.ts";
import { type ErofsMode, mountErofs } from "./erofs-mount.ts";

const UUID_BYTES = 16;

/** Mounts a tree whose files' bytes lie in `data`, read-only, within `place`, which is made. */
export async function viewTree(
  mode: ErofsMode,
  tree: TreeNode,
  { path, size }: { readonly path: string; readonly size: number },
  place: string,
): Promise<View> {
  const [image, target] = [join(place, "image"), join(place, "tree")];
  mkdirSync(target, { recursive: true, mode: 0o755 });
  const fd = openSync(path, "r");
  try {
    const readAt = (_device: number, offset: number, length: number) => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readInto(fd, bytes, offset));
    };
    await writeFile(image, writeErofs(tree, [{ tag: "", size }], { uuid: randomBytes(UUID_BYTES), readAt }));
  } finally {
    closeSync(fd);
  }
  mountErofs(mode, image, [path], target);
  return {
    path: target,
    async [Symbol.asyncDispose]() {
      unmountAll(target);
      await rm(place, { recursive: true, force: true });
    },
  };
}
