import { randomUUID } from "node:crypto";
import { existsSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { StackLayer } from "../store/index.ts";
import {
  disjoint,
  type Filling,
  frameReader,
  type Range,
  readFrame,
  readMap,
  type TarReader,
  tarFileReader,
  writeFrame,
} from "./overlay2-frame.ts";
import { readMeta, type UnpackedShelf } from "./overlay2-shelf.ts";

/** Where a layer keeps its unpacked files when no stack needs them. */
export const unpackedIn = (layer: Pick<StackLayer, "dir">): string => join(layer.dir, "unpacked");

/** Opens a layer's tar, whole or taken apart. The caller closes it. */
export async function openLayerTar(layer: StackLayer, shelf: UnpackedShelf): Promise<TarReader> {
  const tar = join(layer.dir, "layer.tar");
  if (existsSync(tar)) return tarFileReader(tar);
  return frameReader(layer, contentDirectories(layer, shelf));
}

/** Directories that hold unpacked files of a layer. */
function contentDirectories(layer: StackLayer, shelf: UnpackedShelf): string[] {
  const directories = shelf.ofLayer(layer.diffId).map((unpacked) => shelf.pathOf(unpacked.chainId));
  if (readMeta(unpackedIn(layer)) !== undefined) directories.push(unpackedIn(layer));
  return directories;
}

/** Puts a frame in the place of a whole tar, once its content is unpacked and on disk. */
export async function dropTar(root: string, layer: StackLayer, fillings: readonly Filling[]): Promise<void> {
  const tar = join(layer.dir, "layer.tar");
  if (!existsSync(tar)) return;
  const reader = tarFileReader(tar);
  try {
    await replaceFrame(root, layer, reader, disjoint(fillings));
  } finally {
    reader.close();
  }
  rmSync(tar);
}

/**
 * Before an unpacked directory of a layer goes: whatever of the tar only it has moves into the frame, so that the
 * others (all but `leaving`) give the tar back by themselves. True when there are others.
 */
export async function rescueContent(
  root: string,
  layer: StackLayer,
  leaving: string,
  shelf: UnpackedShelf,
): Promise<boolean> {
  const others = contentDirectories(layer, shelf).filter((directory) => directory !== leaving);
  if (others.length === 0) return false;
  const { holes } = await readFrame(join(layer.dir, "layer.frame"));
  const covered = new Map<number, number>();
  for (const directory of others)
    for (const { offset, length } of await readMap(directory)) covered.set(offset, length);
  const kept = holes.filter((hole) => covered.get(hole.offset) === hole.length);
  if (kept.length === holes.length) return true;
  const reader = await frameReader(layer, [...others, leaving]);
  try {
    await replaceFrame(root, layer, reader, kept);
  } finally {
    reader.close();
  }
  return true;
}

async function replaceFrame(
  root: string,
  layer: StackLayer,
  reader: TarReader,
  holes: readonly Range[],
): Promise<void> {
  const temporary = join(root, "ingest", `${randomUUID()}.frame`);
  await writeFrame(temporary, reader, layer.tarSize, holes);
  renameSync(temporary, join(layer.dir, "layer.frame"));
  await using directory = await open(layer.dir, "r");
  await directory.sync();
}
