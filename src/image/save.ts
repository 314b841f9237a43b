import { PlyError, throwIfAborted } from "../error.ts";
import {
  canonicalName,
  familiarString,
  type ImageId,
  type Platform,
  parseReference,
  type Reference,
} from "../oci/index.ts";
import type { ImageRecord } from "../store/index.ts";
import { writeArchive } from "./archive-member.ts";
import { type ArchiveLayout, archiveMembers } from "./archive-members.ts";
import { annotationsOf, composeImage, descriptorOf } from "./compose.ts";
import { emitImageEvent, type ImageContext } from "./context.ts";
import type { SaveOptions } from "./images.ts";
import type { ClaimedLease } from "./lease-owners.ts";
import { fitsPlatform, platformOf, wrongPlatform } from "./platform-match.ts";
import { resolveImage } from "./resolve.ts";

/** An image to save, under the names asked for. */
interface SavedImage {
  readonly record: ImageRecord;
  readonly names: Reference[];
}

/**
 * Images as one archive: an OCI layout, and unless that alone is wanted, Docker's `manifest.json` over the same blobs. Layers
 * are uncompressed, shared ones are in it once. The same images give the same bytes. What is saved stays in the store until the stream
 * ends or is given up.
 */
export async function saveImages(
  context: ImageContext,
  names: readonly string[],
  options: SaveOptions,
): Promise<AsyncIterable<Uint8Array>> {
  throwIfAborted(options.signal);
  const images = chooseImages(context, names, options.platform);
  const claimed = context.owners.claim(`save:${crypto.randomUUID()}`);
  try {
    for (const { record } of images) context.store.leases.addImage(claimed.lease, record.id);
    const members = archiveMembers({ ...(await composeImages(context, images)), format: options.format });
    for (const { record } of images)
      await emitImageEvent(context, "save", { id: record.id, name: record.id, image: record });
    return untilDone(context, writeArchive(members), claimed, options.signal);
  } catch (error) {
    claimed.end();
    throw error;
  }
}

/** Ends the lease with the stream, whether it is read to its end, fails or is returned before its first read. */
function untilDone(
  context: ImageContext,
  stream: AsyncGenerator<Uint8Array>,
  claimed: ClaimedLease,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<Uint8Array> {
  let ended = false;
  const end = async () => {
    if (ended) return;
    ended = true;
    claimed.end();
    // An image removed while it was saved was kept by the lease alone.
    await context.store.collectGarbage();
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        throwIfAborted(signal);
        const step = await stream.next();
        if (step.done === true) await end();
        return step;
      } catch (error) {
        await stream.return(undefined);
        await end();
        throw error;
      }
    },
    async return() {
      await stream.return(undefined);
      await end();
      return { done: true, value: undefined };
    },
  };
}

/** Each image once, in the order first named; a repository without tag means all its tags, an id no tag. */
function chooseImages(
  context: ImageContext,
  names: readonly string[],
  platform: Platform | undefined,
): SavedImage[] {
  if (names.length === 0) throw new PlyError("invalid", "no image to save was named");
  const chosen = new Map<ImageId, SavedImage>();
  const add = (record: ImageRecord, reference: Reference | undefined, name: string) => {
    if (platform !== undefined && !fitsPlatform(platform, platformOf(record)))
      throw new PlyError("not-found", wrongPlatform(name, platformOf(record), platform));
    const image = chosen.get(record.id) ?? { record, names: [] };
    chosen.set(record.id, image);
    if (reference?.tag === undefined || reference.digest !== undefined) return;
    const text = familiarString(reference);
    if (!image.names.some((known) => familiarString(known) === text)) image.names.push(reference);
  };
  for (const name of names) {
    const tagged = taggedOf(context, name);
    for (const { record, reference } of tagged) add(record, reference, name);
    if (tagged.length > 0) continue;
    const { record, reference } = resolveImage(context, name);
    add(record, reference, name);
  }
  return [...chosen.values()];
}

/** All tags of a repository named without one; empty when the name is something else. */
function taggedOf(context: ImageContext, name: string): { record: ImageRecord; reference: Reference }[] {
  let reference: Reference;
  try {
    reference = parseReference(name);
  } catch {
    return [];
  }
  if (reference.tag !== undefined || reference.digest !== undefined) return [];
  const prefix = `${canonicalName(reference)}:`;
  return context.store.images
    .list()
    .flatMap((record) =>
      record.names
        .filter((own) => own.startsWith(prefix))
        .map((own) => ({ record, reference: parseReference(own) })),
    )
    .sort((a, b) => ((a.reference.tag ?? "") < (b.reference.tag ?? "") ? -1 : 1));
}

async function composeImages(
  context: ImageContext,
  images: readonly SavedImage[],
): Promise<Pick<ArchiveLayout, "images" | "entries">> {
  const composed: ArchiveLayout["images"][number][] = [];
  for (const { record, names } of images)
    composed.push({
      ...(await composeImage(context, record, { annotations: await annotationsOf(context, record) })),
      names,
    });
  return {
    images: composed,
    entries: composed.map(({ content, manifest, names }) => ({
      descriptor: { ...descriptorOf(manifest), platform: platformOf(content) },
      names,
    })),
  };
}
