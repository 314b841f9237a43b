import { closeSync, openSync, statSync } from "node:fs";
import { messageOf, PlyError } from "../error.ts";
import { fsopenMount, type LoopDevice, MS, mount, openLoop } from "../linux/index.ts";
import type { StackLayer } from "../store/index.ts";
import { tarPathOf } from "./erofs-image.ts";

/** `file`: the kernel reads image and tars as files. `loop`: through read-only loop devices. */
export type ErofsMode = "file" | "loop";

const BLOCK = 512;
/** mount(2) reads this much of its options; a comma would end one. */
const MOUNT_DATA_LIMIT = 4095;
/** fsconfig(2) takes values of this many bytes. */
const FSCONFIG_VALUE_LIMIT = 255;

/** Mounts an EROFS image whose data lie in `devices` (paths, in the order of its device table), read-only. */
export function mountErofs(mode: ErofsMode, image: string, devices: readonly string[], target: string): void {
  if (mode === "file") {
    mountFiles(image, devices, target);
    return;
  }
  const loops: LoopDevice[] = [];
  try {
    for (const path of [image, ...devices]) loops.push(openLoop(path, { readOnly: true }));
    const [first = "", ...others] = loops.map((loop) => loop.device);
    mountFiles(first, others, target);
  } finally {
    // The mount keeps them; they free themselves when it goes.
    for (const loop of loops) loop.close();
  }
}

function mountFiles(image: string, devices: readonly string[], target: string): void {
  const data = devices.map((path) => `device=${path}`).join(",");
  const isPlain = Buffer.byteLength(data) <= MOUNT_DATA_LIMIT && devices.every((path) => !path.includes(","));
  if (isPlain) {
    mount(image, target, "erofs", MS.RDONLY, data);
    return;
  }
  const open: number[] = [];
  const short = (path: string): string => {
    if (Buffer.byteLength(path) <= FSCONFIG_VALUE_LIMIT) return path;
    const fd = openSync(path, "r");
    open.push(fd);
    return `/proc/self/fd/${fd}`;
  };
  try {
    fsopenMount(
      "erofs",
      [["source", short(image)], ...devices.map((path) => ["device", short(path)] as const), ["ro"]],
      target,
      { readOnly: true },
    );
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

/** A tar that is missing or too short mounts fine and fails on read, so look first. Throws "corrupt". */
export function checkTars(layers: readonly StackLayer[]): void {
  for (const layer of layers) {
    const path = tarPathOf(layer);
    const padded = Math.ceil(layer.tarSize / BLOCK) * BLOCK;
    let size: number;
    try {
      size = statSync(path).size;
    } catch (error) {
      throw damaged(layer, `${path}: ${messageOf(error)}`, error);
    }
    if (size < padded) throw damaged(layer, `${path} has ${size} bytes, not ${padded}`);
  }
}

function damaged(layer: StackLayer, what: string, cause?: unknown): PlyError {
  return new PlyError("corrupt", `layer ${layer.diffId} is damaged: ${what}`, {
    hint: "`ply system check --repair`, then pull the image again",
    details: { diffId: layer.diffId },
    ...(cause === undefined ? {} : { cause }),
  });
}
