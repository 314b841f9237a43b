import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { lstat, open, opendir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../oci/index.ts";
import { algorithmOf, hexOf } from "../oci/index.ts";

/** An unfinished download is kept this long; the next pull of the layer goes on from there. */
export const PART_KEPT_MS = 24 * 60 * 60 * 1000;

/** Where things are, relative to the root; see "On disk" in docs/architecture.md. */
export const blobPath = (digest: Digest): string => `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
export const layerPath = (diffId: Digest): string => `layers/${hexOf(diffId)}`;
export const INGEST = "ingest";

const SHA512_HEX_LENGTH = 128;

/** The digest that a path made by {@link blobPath} or {@link layerPath} is about. */
export function digestOfPath(path: string): Digest {
  const hex = path.slice(path.lastIndexOf("/") + 1);
  return `${hex.length === SHA512_HEX_LENGTH ? "sha512" : "sha256"}:${hex}` as Digest;
}

/** Makes the store's directories. Only root and its group may look inside: overlay2 trees hold setuid files. */
export function makeLayout(root: string): void {
  mkdirSync(root, { recursive: true, mode: 0o710 });
  for (const directory of ["blobs/sha256", "blobs/sha512", "layers", INGEST])
    mkdirSync(join(root, directory), { recursive: true, mode: 0o700 });
}

/** A path under `ingest/` that nobody uses. */
export function temporaryPath(root: string, suffix: string): string {
  return join(root, INGEST, `${randomUUID()}.${suffix}`);
}

/** Makes names in a directory (creations, renames) outlive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, "r");
  await directory.sync();
}

/**
 * Bytes of the files at or below a path, for reports: what cannot be looked at (gone meanwhile, a path too
 * long) counts as nothing. Does not follow links.
 */
export async function sizeOnDisk(path: string): Promise<number> {
  try {
    const stats = await lstat(path);
    if (!stats.isDirectory()) return stats.size;
    let sum = 0;
    for await (const child of await opendir(path)) sum += await sizeOnDisk(join(path, child.name));
    return sum;
  } catch {
    return 0;
  }
}

/** Empties `ingest/` but for part files younger than {@link PART_KEPT_MS} and those that `inUse` names. */
export async function sweepIngest(
  root: string,
  now: number,
  inUse?: (name: string) => boolean,
): Promise<void> {
  const directory = join(root, INGEST);
  for (const name of await readdir(directory)) {
    if (inUse?.(name)) continue;
    const path = join(directory, name);
    if (name.endsWith(".part") && (await isYoung(path, now))) continue;
    await rm(path, { recursive: true, force: true });
  }
}

/** True for a part file that a later pull may still go on from. */
export async function isYoung(path: string, now: number): Promise<boolean> {
  try {
    const stats = await lstat(path);
    return stats.isFile() && now - stats.mtimeMs < PART_KEPT_MS;
  } catch {
    return false;
  }
}
