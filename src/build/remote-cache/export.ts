import { randomUUID } from "node:crypto";
import { messageOf, PlyError } from "../../error.ts";
import type { ContentPlace, Images, OnProgress } from "../../image/index.ts";
import type { CredentialsOf } from "../../registry/index.ts";
import type { Store } from "../../store/index.ts";
import { type CacheTarget, contentPlace, nameOfPlace } from "./place.ts";
import {
  CACHE_ARTIFACT_TYPE,
  CACHE_CONFIG_TYPE,
  type CacheRecord,
  encodeCacheConfig,
  layersOf,
} from "./records.ts";

export interface ExportParts {
  readonly store: Pick<Store, "leases">;
  readonly images: Pick<Images, "putContent">;
  readonly clock: () => number;
  readonly credentialsOf: CredentialsOf | undefined;
  readonly warn: (message: string) => void;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/** The records of a build by what a cache is to have. */
export interface BuildRecords {
  /** Of the image alone. */
  readonly min: readonly CacheRecord[];
  /** Of all stages. */
  readonly max: readonly CacheRecord[];
}

/** Where the caches of a build go: known before it begins, sent when it has ended. */
export interface CacheExports {
  /** Keeps the layers of the records until they are sent. */
  hold(records: BuildRecords): void;
  /** Sends to one place after the other. Throws the first failure that is not to be ignored. */
  send(): Promise<void>;
  end(): void;
}

/** How long layers are kept that are being sent when the engine dies. */
const LEASE_MS = 60 * 60 * 1000;

/** Throws "conflict" for a directory that is not on this host. */
export async function openExports(
  parts: ExportParts,
  targets: readonly CacheTarget[],
): Promise<CacheExports> {
  const places = await Promise.all(
    targets.map(async (target) => ({ target, place: await contentPlace(target) })),
  );
  const owner = `build-export:${randomUUID()}`;
  let held: BuildRecords = { min: [], max: [] };
  return {
    hold(records) {
      if (places.length === 0) return;
      held = records;
      const lease = parts.store.leases.hold(owner, parts.clock() + LEASE_MS);
      for (const diffId of layersOf(records.max)) parts.store.leases.addLayer(lease, diffId);
    },
    async send() {
      for (const { target, place } of places)
        try {
          parts.onProgress({ kind: "message", text: `exporting cache to ${nameOfPlace(target)}` });
          await sendCache(parts, target, place, held[target.mode]);
        } catch (error) {
          const message = `the build cache could not be exported to ${nameOfPlace(target)}: ${messageOf(error)}`;
          if (parts.signal.aborted || target.ignoreError !== true)
            throw error instanceof PlyError
              ? new PlyError(error.kind, message, { cause: error, details: error.details, ...hintOf(error) })
              : error;
          parts.warn(message);
        }
    },
    end: () => parts.store.leases.end(owner),
  };
}

function hintOf({ hint }: PlyError): { readonly hint?: string } {
  return hint === undefined ? {} : { hint };
}

async function sendCache(
  { images, credentialsOf, onProgress, signal }: ExportParts,
  target: CacheTarget,
  place: ContentPlace,
  records: readonly CacheRecord[],
): Promise<void> {
  const credentials =
    target.kind === "reference" ? await credentialsOf?.(target.reference.domain) : undefined;
  const { compression, isCompressionForced = false } = target;
  await images.putContent(
    place,
    {
      artifactType: CACHE_ARTIFACT_TYPE,
      config: { mediaType: CACHE_CONFIG_TYPE, bytes: encodeCacheConfig(records) },
      layers: layersOf(records),
      isCompressionForced,
      ...(compression === undefined ? {} : { compression }),
    },
    { onProgress, signal, ...(credentials === undefined ? {} : { credentials }) },
  );
}
