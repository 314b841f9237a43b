import { closeSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeErofs } from "../../erofs/index.ts";
import { MNT, MS, mount, umount } from "../../linux/index.ts";
import { createTarScanner } from "../../tar/index.ts";
import type { LayerIndex } from "../entry.ts";
import { createEntryCollector } from "../from-tar.ts";
import { decodeIndex, encodeIndex } from "../index-codec.ts";
import { unionOf } from "../union.ts";

const READ_LENGTH = 1 << 20;

/** Reads a tar file as the ingest does, through the index file's form. */
export function indexOfTar(tar: string): LayerIndex {
  const collector = createEntryCollector();
  const scanner = createTarScanner({ onEntry: (entry) => collector.add(entry) });
  const buffer = Buffer.alloc(READ_LENGTH);
  const fd = openSync(tar, "r");
  try {
    for (let length = -1; length !== 0; ) {
      length = readSync(fd, buffer, 0, buffer.length, null);
      scanner.push(buffer.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
  scanner.end();
  return decodeIndex(encodeIndex(collector.finish()));
}

/** The EROFS metadata image of these layers (tar files, bottom to top). */
export function imageOfTars(tars: readonly string[]): Uint8Array {
  const devices = tars.map((tar, n) => ({ tag: `layer ${n}`, size: statSync(tar).size }));
  const readAt = (device: number, offset: number, length: number): Uint8Array => {
    const fd = openSync(tars[device] ?? "", "r");
    const bytes = Buffer.alloc(length);
    const got = readSync(fd, bytes, 0, length, offset);
    closeSync(fd);
    return bytes.subarray(0, got);
  };
  return writeErofs(unionOf(tars.map(indexOfTar)), devices, { uuid: new Uint8Array(16).fill(1), readAt });
}

/** Mounts the union of these layers below `dir` while `look` runs. Needs root. */
export async function withMountedUnion<Result>(
  dir: string,
  tars: readonly string[],
  look: (path: string) => Result | Promise<Result>,
): Promise<Result> {
  const image = join(dir, "image.erofs");
  const target = join(dir, "mnt");
  mkdirSync(target, { recursive: true });
  writeFileSync(image, imageOfTars(tars));
  mount(image, target, "erofs", MS.RDONLY, tars.map((tar) => `device=${tar}`).join(","));
  try {
    return await look(target);
  } finally {
    umount(target, MNT.DETACH);
  }
}

/** Why file-backed EROFS cannot be mounted below `dir`; false when it can. */
export async function whyNoErofs(dir: string): Promise<string | false> {
  if (process.getuid?.() !== 0) return "needs root";
  try {
    await withMountedUnion(dir, [], () => undefined);
    return false;
  } catch (error) {
    return `no file-backed EROFS mounts here: ${error}`;
  }
}
