import { isPlyError, messageOf, PlyError } from "../../error.ts";
import type { Content, ContentPlace, Images } from "../../image/index.ts";
import { canonicalString, type DiffId, type Platform } from "../../oci/index.ts";
import type { CredentialsOf } from "../../registry/index.ts";
import type { LayerRecord, Lease, Store } from "../../store/index.ts";
import { createFetchAhead, type FetchAhead } from "./fetch-ahead.ts";
import { type CacheSource, contentPlace, nameOfPlace } from "./place.ts";
import { type CacheRecords, descriptorsOf, parseRecords } from "./records.ts";

/** What caches outside of the store say, once `ready`. Nothing they say has been checked. */
export interface CacheImports extends AsyncDisposable {
  /** All sources were read, as far as they could be; it never fails. */
  readonly ready: Promise<void>;
  /** What a step makes: no layer, or one that may have to be brought in. */
  find(key: string): ImportedStep | undefined;
  /** When what was done so far was first made, in milliseconds since 1970. */
  createdAt(historyKey: string): number | undefined;
}

export interface ImportedStep {
  /** Undefined: the step changes nothing. */
  readonly layer: ImportedLayer | undefined;
}

export interface ImportedLayer {
  readonly diffId: DiffId;
  /** Brings it in, kept by the build's lease. Undefined when that cannot be: a warning was given, and it is not offered again. */
  bring(): Promise<LayerRecord | undefined>;
}

export interface ImportParts {
  readonly store: Pick<Store, "layers" | "leases" | "images" | "blobs">;
  readonly images: Pick<Images, "readContent">;
  readonly lease: Lease;
  /** What is built for: each has an image, with a cache of its own, under one name. */
  readonly platforms: readonly Platform[];
  readonly credentialsOf: CredentialsOf | undefined;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal;
}

/** A cache that was read. */
interface Opened {
  readonly name: string;
  readonly records: CacheRecords;
  /** Absent for an image that is here. */
  readonly layers?: FetchAhead;
}

const NO_IMPORTS: CacheImports = {
  ready: Promise.resolve(),
  find: () => undefined,
  createdAt: () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
};

/** Reads the caches that a build may use; of each only its manifest and config. What cannot be read is warned of. */
export function openImports(parts: ImportParts, sources: readonly CacheSource[]): CacheImports {
  if (sources.length === 0) return NO_IMPORTS;
  /** In the order of the sources. */
  let opened: readonly Opened[] = [];
  const lost = new Set<string>();
  const ready = Promise.all(sources.map((source) => openSource(parts, source))).then((found) => {
    opened = found.flat();
  });
  const layerOf = ({ name, layers }: Opened, diffId: DiffId): ImportedLayer | undefined => {
    const { store, lease, warn } = parts;
    const isHere = () => store.layers.get(diffId) !== undefined;
    if (lost.has(`${name} ${diffId}`) || (layers === undefined && !isHere())) return undefined;
    return {
      diffId,
      async bring() {
        const here = store.layers.get(diffId);
        if (here !== undefined) {
          store.leases.addLayer(lease, diffId);
          return here;
        }
        try {
          if (layers !== undefined) return await layers.take(diffId);
        } catch (error) {
          if (isPlyError(error, "cancelled")) throw error;
          warn(`the cache ${name} lacks a layer: ${messageOf(error)}`);
        }
        lost.add(`${name} ${diffId}`);
        return undefined;
      },
    };
  };
  return {
    ready,
    find(key) {
      for (const each of opened) {
        const diffId = each.records.layers.get(key);
        if (diffId === null) return { layer: undefined };
        const layer = diffId === undefined ? undefined : layerOf(each, diffId);
        if (layer !== undefined) return { layer };
      }
      for (const { layers } of opened) layers?.stop();
      return undefined;
    },
    createdAt: (historyKey) =>
      opened.map(({ records }) => records.times.get(historyKey)).find((time) => time !== undefined),
    async [Symbol.asyncDispose]() {
      await ready;
      for (const { layers } of opened) await layers?.[Symbol.asyncDispose]();
    },
  };
}

/** What a source says; for a name, an image that is here may say something too. */
async function openSource(parts: ImportParts, source: CacheSource): Promise<Opened[]> {
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

async function openLocal({ store }: ImportParts, source: CacheSource): Promise<Opened | undefined> {
  if (source.kind === "directory") return undefined;
  const record = store.images.findByName(canonicalString(source.reference));
  if (record === undefined) return undefined;
  const records = parseRecords(await store.blobs.get(record.id));
  return records === undefined ? undefined : { name: nameOfPlace(source), records };
}

async function openRemote(parts: ImportParts, source: CacheSource): Promise<Opened[]> {
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

function openContent({ lease, signal: whole }: ImportParts, source: CacheSource, content: Content): Opened {
  const records = parseRecords(content.config);
  if (records === undefined)
    throw new PlyError("not-found", "it is an image without a cache of its own (--cache-to type=inline)");
  const descriptors = descriptorsOf(content.manifest, records.diffIds);
  const fetch = async (diffId: DiffId, signal: AbortSignal): Promise<LayerRecord> => {
    const descriptor = descriptors.get(diffId);
    if (descriptor === undefined) throw new PlyError("corrupt", `its manifest has no layer for ${diffId}`);
    return await content.fetchLayer({ descriptor, diffId }, lease, { signal });
  };
  return { name: nameOfPlace(source), records, layers: createFetchAhead(records.diffIds, fetch, whole) };
}
