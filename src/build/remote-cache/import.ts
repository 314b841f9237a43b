import { messageOf, PlyError } from "../../error.ts";
import type { Content, ContentPlace, Images } from "../../image/index.ts";
import { canonicalString, type DiffId, type Platform } from "../../oci/index.ts";
import type { CredentialsOf } from "../../registry/index.ts";
import type { Lease, Store } from "../../store/index.ts";
import type { LayerSupply } from "../layer-supply.ts";
import { type CacheSource, contentPlace, nameOfPlace } from "./place.ts";
import { type CacheRecords, descriptorsOf, parseRecords } from "./records.ts";

/** What caches outside of the store say, once `ready`. Nothing they say has been checked. */
export interface CacheImports {
  /** All sources were read, as far as they could be; it never fails. */
  readonly ready: Promise<void>;
  /** Images need not be pulled before it is known that they are needed. Docker's classic builder pulls them in any case. */
  readonly isLazy: boolean;
  /** What a step makes: a layer that the build's supply has or can bring in; null: it changes nothing. */
  find(key: string): DiffId | null | undefined;
  /** The key of the step of a definition; null: it changes nothing. */
  keyOf(definition: string): string | null | undefined;
  /** When what was done so far was first made, in milliseconds since 1970. */
  createdAt(historyKey: string): number | undefined;
}

export interface ImportParts {
  readonly store: Pick<Store, "images" | "blobs">;
  readonly images: Pick<Images, "readContent">;
  readonly supply: LayerSupply;
  readonly lease: Lease;
  /** What is built for: each has an image, with a cache of its own, under one name. */
  readonly platforms: readonly Platform[];
  readonly credentialsOf: CredentialsOf | undefined;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Reads the caches that a build may use; of each only its manifest and config, and the supply is told of its layers. What
 * cannot be read is warned of.
 */
export function openImports(parts: ImportParts, sources: readonly CacheSource[]): CacheImports {
  const { supply } = parts;
  /** In the order of the sources. */
  let opened: readonly CacheRecords[] = [];
  const ready = Promise.all(sources.map((source) => openSource(parts, source))).then((found) => {
    opened = found.flat();
  });
  return {
    ready,
    isLazy: sources.some(({ isLocalEnough }) => isLocalEnough !== true),
    find(key) {
      const found = opened.map(({ layers }) => layers.get(key));
      return found.find((diffId) => diffId === null || (diffId !== undefined && supply.canBeHad(diffId)));
    },
    keyOf: (definition) =>
      opened.map(({ definitions }) => definitions.get(definition)).find((key) => key !== undefined),
    createdAt: (historyKey) =>
      opened.map(({ times }) => times.get(historyKey)).find((time) => time !== undefined),
  };
}

/** What a source says; for a name, an image that is here may say something too. */
async function openSource(parts: ImportParts, source: CacheSource): Promise<CacheRecords[]> {
  const local = await openLocal(parts, source).catch(() => undefined);
  if (local !== undefined && source.isLocalEnough) return [local];
  try {
    const remotes = await openRemote(parts, source);
    return local === undefined ? remotes : [...remotes, local];
  } catch (error) {
    if (local !== undefined) return [local];
    // The build says so itself.
    if (!parts.signal.aborted)
      parts.warn(`the cache ${nameOfPlace(source)} cannot be used: ${messageOf(error)}`);
    return [];
  }
}

async function openLocal({ store }: ImportParts, source: CacheSource): Promise<CacheRecords | undefined> {
  if (source.kind === "directory") return undefined;
  const record = store.images.findByName(canonicalString(source.reference));
  if (record === undefined) return undefined;
  return parseRecords(await store.blobs.get(record.id));
}

async function openRemote(parts: ImportParts, source: CacheSource): Promise<CacheRecords[]> {
  const place: ContentPlace = await contentPlace(source);
  const credentials =
    source.kind === "reference" ? await parts.credentialsOf?.(source.reference.domain) : undefined;
  const contents = new Map<string, Content>();
  for (const platform of parts.platforms) {
    const content = await parts.images.readContent(place, {
      platform,
      signal: parts.signal,
      ...(credentials === undefined ? {} : { credentials }),
    });
    contents.set(content.digest, content);
  }
  return [...contents.values()].map((content) => openContent(parts, source, content));
}

function openContent({ supply, lease }: ImportParts, source: CacheSource, content: Content): CacheRecords {
  const records = parseRecords(content.config);
  if (records === undefined)
    throw new PlyError("not-found", "it is an image without a cache of its own (--cache-to type=inline)");
  for (const [diffId, descriptor] of descriptorsOf(content.manifest, records.diffIds))
    supply.offer(diffId, {
      name: nameOfPlace(source),
      descriptor,
      ...(source.kind === "reference" ? { reference: source.reference } : {}),
      fetch: (signal) => content.fetchLayer({ descriptor, diffId }, lease, { signal }),
    });
  return records;
}
