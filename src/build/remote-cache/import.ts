import { isPlyError, messageOf, PlyError } from "../../error.ts";
import type { Content, ContentPlace, Images } from "../../image/index.ts";
import { canonicalString, type Descriptor, type DiffId, type Platform } from "../../oci/index.ts";
import type { Credentials } from "../../registry/index.ts";
import type { LayerRecord, Lease, Store } from "../../store/index.ts";
import { type CacheSource, contentPlace, nameOfPlace } from "./place.ts";
import { type CacheRecords, descriptorsOf, parseRecords } from "./records.ts";

/** What caches outside of the store say, once `ready`. Nothing they say has been checked. */
export interface CacheImports {
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
  readonly platform: Platform;
  readonly credentialsOf: ((domain: string) => Credentials | undefined) | undefined;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal;
}

/** A cache that was read. */
interface Opened extends CacheRecords {
  readonly source: CacheSource;
  /** Absent: an image that is here. */
  readonly content?: Content;
  readonly descriptors: ReadonlyMap<DiffId, Descriptor>;
}

export const NO_IMPORTS: CacheImports = {
  ready: Promise.resolve(),
  find: () => undefined,
  createdAt: () => undefined,
};

/** Reads the caches that a build may use; of each only its manifest and config. What cannot be read is warned of. */
export function openImports(parts: ImportParts, sources: readonly CacheSource[]): CacheImports {
  if (sources.length === 0) return NO_IMPORTS;
  const { store, lease, warn, signal } = parts;
  /** In the order of the sources. */
  let opened: readonly Opened[] = [];
  const lost = new Set<string>();
  const ready = Promise.all(sources.map((source) => openSource(parts, source))).then((found) => {
    opened = found.flat();
  });
  const layerAt = ({ source, content, descriptors }: Opened, diffId: DiffId): ImportedLayer | undefined => {
    const isHere = () => store.layers.get(diffId) !== undefined;
    const descriptor = descriptors.get(diffId);
    const name = `${nameOfPlace(source)} ${diffId}`;
    if (lost.has(name) || (!isHere() && descriptor === undefined)) return undefined;
    return {
      diffId,
      async bring() {
        const here = store.layers.get(diffId);
        if (here !== undefined) {
          store.leases.addLayer(lease, diffId);
          return here;
        }
        try {
          if (content !== undefined && descriptor !== undefined)
            return await content.fetchLayer({ descriptor, diffId }, lease, { signal });
        } catch (error) {
          if (isPlyError(error, "cancelled")) throw error;
          warn(`the cache ${nameOfPlace(source)} lacks a layer: ${messageOf(error)}`);
        }
        lost.add(name);
        return undefined;
      },
    };
  };
  return {
    ready,
    find(key) {
      for (const each of opened) {
        const diffId = each.layers.get(key);
        if (diffId === null) return { layer: undefined };
        const layer = diffId === undefined ? undefined : layerAt(each, diffId);
        if (layer !== undefined) return { layer };
      }
      return undefined;
    },
    createdAt: (historyKey) =>
      opened.map(({ times }) => times.get(historyKey)).find((time) => time !== undefined),
  };
}

/** What a source says; for a name, an image that is here may say something too. */
async function openSource(parts: ImportParts, source: CacheSource): Promise<Opened[]> {
  const local = await openLocal(parts, source).catch(() => undefined);
  if (local !== undefined && source.isLocalEnough) return [local];
  try {
    const remote = await openRemote(parts, source);
    return local === undefined ? [remote] : [remote, local];
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
  return records === undefined ? undefined : { ...records, source, descriptors: new Map() };
}

async function openRemote(parts: ImportParts, source: CacheSource): Promise<Opened> {
  const place: ContentPlace = await contentPlace(source);
  const credentials =
    source.kind === "reference" ? parts.credentialsOf?.(source.reference.domain) : undefined;
  const content = await parts.images.readContent(place, {
    platform: parts.platform,
    signal: parts.signal,
    ...(credentials === undefined ? {} : { credentials }),
  });
  const records = parseRecords(content.config);
  if (records === undefined)
    throw new PlyError("not-found", "it is an image without a cache of its own (--cache-to type=inline)");
  return { ...records, source, content, descriptors: descriptorsOf(content.manifest, records.diffIds) };
}
