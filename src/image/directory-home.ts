import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { chown, type FileHandle, lstat, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, PlyError, throwIfAborted } from "../error.ts";
import {
  ANNOTATION,
  algorithmOf,
  type Descriptor,
  type Digest,
  digestOf,
  hexOf,
  IMAGE_LAYOUT,
  type Index,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  MEDIA_TYPE,
  parseManifest,
} from "../oci/index.ts";
import type { FetchedManifest } from "../registry/index.ts";
import type { ContentHome, ContentPlace } from "./content-home.ts";

/** Begins the names of files that are being written; the random rest is no digest. */
const PART_PREFIX = ".ply-";
/** A file that nobody has written to for so long is of an engine that was killed. */
const STALE_PART_MS = 60 * 60 * 1000;
const READ_BYTES = 256 * 1024;

/**
 * A directory as a place for content. Symlinks in it are not followed, what is read is verified by whoever reads, and
 * what is written is the directory's owner's. A manifest that takes another's name takes the blobs away that only
 * that one needed: a cache that is exported again and again does not grow.
 */
export function directoryHome({
  directory,
  tag,
}: Extract<ContentPlace, { readonly directory: string }>): ContentHome {
  const blobPath = (digest: Digest): string => join(directory, "blobs", algorithmOf(digest), hexOf(digest));
  const readBlob = async ({ digest }: Pick<Descriptor, "digest">, limit: number): Promise<Uint8Array> => {
    const bytes = await readSmall(blobPath(digest), limit);
    if (digestOf(bytes, algorithmOf(digest)) !== digest)
      throw new PlyError("corrupt", `${blobPath(digest)} is not what its name says: it was changed`);
    return bytes;
  };
  const readIndex = async (): Promise<Index> => {
    const parsed = parseManifest(
      await readSmall(join(directory, "index.json"), MAX_MANIFEST_BYTES),
      MEDIA_TYPE.ociIndex,
    );
    if (parsed.kind === "index") return parsed.index;
    throw new PlyError("invalid", `${directory}/index.json is not an image index`);
  };
  const find = ({ manifests }: Index): Descriptor | undefined => {
    const named = manifests.find(({ annotations }) => annotations?.[ANNOTATION.refName] === tag);
    const [only] = manifests;
    const isNameless = manifests.length === 1 && only?.annotations?.[ANNOTATION.refName] === undefined;
    return named ?? (isNameless ? only : undefined);
  };
  return {
    name: directory,
    async fetchManifest(_options, digest) {
      const index = await readIndex();
      const wanted = digest === undefined ? find(index) : { digest, mediaType: undefined };
      if (wanted === undefined)
        throw new PlyError("not-found", `${directory} has no manifest ${tag}`, {
          hint: `it has ${index.manifests.map((each) => each.annotations?.[ANNOTATION.refName] ?? each.digest).join(", ") || "none"}`,
        });
      const bytes = await readBlob(wanted, MAX_MANIFEST_BYTES);
      const { mediaType } = parseManifest(bytes, wanted.mediaType);
      return { bytes, mediaType, digest: wanted.digest };
    },
    headManifest: async () =>
      (await isFile(join(directory, "index.json"))) ? find(await readIndex()) : undefined,
    fetchBlob: (descriptor) => readBlob(descriptor, MAX_CONFIG_BYTES),
    async openBlob({ digest }, offset) {
      const file = await openFile(blobPath(digest));
      return file.createReadStream({ start: offset, highWaterMark: READ_BYTES });
    },
    hasBlob: (digest) => isFile(blobPath(digest)),
    async pushBlob({ digest }, content, { signal }) {
      if (await isFile(blobPath(digest))) return "exists";
      await makeDirectories(directory, algorithmOf(digest));
      await writeFile(directory, join("blobs", algorithmOf(digest), hexOf(digest)), content(), signal);
      return "uploaded";
    },
    async pushManifest({ bytes, digest, mediaType }: FetchedManifest, { signal }) {
      const write = (path: string, content: Uint8Array | string) =>
        writeFile(directory, path, [Buffer.from(content)], signal);
      await makeDirectories(directory, algorithmOf(digest));
      await write(join("blobs", algorithmOf(digest), hexOf(digest)), bytes);
      const index = (await isFile(join(directory, "index.json"))) ? await readIndex() : undefined;
      const replaced = index === undefined ? undefined : find(index);
      const others = (index?.manifests ?? []).filter((each) => each !== replaced);
      const own = { mediaType, digest, size: bytes.length, annotations: { [ANNOTATION.refName]: tag } };
      const next: Index = {
        ...index,
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociIndex,
        manifests: [...others, own],
      };
      await write("oci-layout", JSON.stringify(IMAGE_LAYOUT));
      await write("index.json", JSON.stringify(next));
      if (replaced !== undefined && replaced.digest !== digest)
        await removeUnneeded(replaced.digest, next.manifests, { readBlob, blobPath });
      await sweepParts(join(directory, "blobs", algorithmOf(digest)));
    },
  };
}

/** Removes what a manifest named that none of the others does; nothing where one of those cannot be read. */
async function removeUnneeded(
  old: Digest,
  kept: readonly Descriptor[],
  layout: {
    readonly readBlob: (descriptor: Pick<Descriptor, "digest">, limit: number) => Promise<Uint8Array>;
    readonly blobPath: (digest: Digest) => string;
  },
): Promise<void> {
  const namedBy = async (digest: Digest): Promise<Digest[]> => {
    const parsed = parseManifest(await layout.readBlob({ digest }, MAX_MANIFEST_BYTES));
    if (parsed.kind !== "index")
      return [digest, ...[parsed.manifest.config, ...parsed.manifest.layers].map((each) => each.digest)];
    return [
      digest,
      ...(await Promise.all(parsed.index.manifests.map((each) => namedBy(each.digest)))).flat(),
    ];
  };
  try {
    const needed = new Set((await Promise.all(kept.map(({ digest }) => namedBy(digest)))).flat());
    for (const digest of await namedBy(old))
      if (!needed.has(digest)) await rm(layout.blobPath(digest), { force: true });
  } catch (error) {
    // Somebody else's content, which we do not understand: better too much than too little stays.
    if (!(error instanceof PlyError)) throw error;
  }
}

async function sweepParts(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(PART_PREFIX)) continue;
    const path = join(directory, name);
    // Another export may have finished it meanwhile.
    const found = await lstat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > STALE_PART_MS) await rm(path, { force: true });
  }
}

/** Writes a file whole or not at all. */
async function writeFile(
  directory: string,
  path: string,
  content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const target = join(directory, path);
  const part = join(target, "..", `${PART_PREFIX}${randomUUID()}`);
  try {
    await using file = await open(part, "wx", 0o644);
    for await (const chunk of content) {
      throwIfAborted(signal);
      await file.writeFile(chunk);
    }
    await file.datasync();
    await giveToOwner(directory, part);
    await rename(part, target);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

async function makeDirectories(directory: string, algorithm: string): Promise<void> {
  for (const path of [join(directory, "blobs"), join(directory, "blobs", algorithm)]) {
    try {
      await mkdir(path, { mode: 0o755 });
      await giveToOwner(directory, path);
    } catch (error) {
      // Layers are pushed side by side: another may have made it.
      if (codeOf(error) !== "EEXIST") throw error;
      if (!(await lstat(path)).isDirectory()) throw new PlyError("invalid", `${path} is not a directory`);
    }
  }
}

/** The engine is root; whose directory it is must be able to remove what it wrote. */
async function giveToOwner(directory: string, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(directory);
  await chown(path, uid, gid);
}

async function isFile(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isFile() === true;
}

/** Opens a regular file: neither a link to something else nor a pipe, which would wait for ever. */
async function openFile(path: string): Promise<FileHandle> {
  if (!(await isFile(path))) throw new PlyError("not-found", `there is no file ${path}`);
  return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

async function readSmall(path: string, limit: number): Promise<Uint8Array> {
  await using file = await openFile(path);
  const { size } = await file.stat();
  if (size > limit) throw new PlyError("limit", `${path} has ${size} bytes; at most ${limit} are accepted`);
  return await file.readFile();
}
