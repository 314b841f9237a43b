import { randomUUID } from "node:crypto";
import { messageOf, PlyError } from "../../error.ts";
import type { ContentPlace, Images, NewContent, OnProgress } from "../../image/index.ts";
import type { CredentialsOf } from "../../registry/index.ts";
import type { Store } from "../../store/index.ts";
import type { LayerSupply } from "../layer-supply.ts";
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
  readonly supply: LayerSupply;
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
      // What was never fetched stays where it is, as long as the target can have it from there.
      for (const diffId of layersOf(records.max).filter(parts.supply.isHere))
        parts.store.leases.addLayer(lease, diffId);
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

/** Steps whose layers turn out to be nowhere any more are left out. */
async function sendCache(
  parts: ExportParts,
  target: CacheTarget,
  place: ContentPlace,
  records: readonly CacheRecord[],
): Promise<void> {
  const { images, supply, credentialsOf, onProgress, signal } = parts;
  const kept = records.filter(
    ({ made }) => made === undefined || made.diffId === null || supply.canBeHad(made.diffId),
  );
  const lostBefore = supply.lostCount;
  const credentials =
    target.kind === "reference" ? await credentialsOf?.(target.reference.domain) : undefined;
  const { compression, isCompressionForced = false } = target;
  const content: NewContent = {
    artifactType: CACHE_ARTIFACT_TYPE,
    config: { mediaType: CACHE_CONFIG_TYPE, bytes: encodeCacheConfig(kept) },
    layers: layersOf(kept),
    elsewhere(diffId) {
      const offer = supply.offerOf(diffId);
      return offer && { ...offer, bring: () => supply.bring([diffId]) };
    },
    isCompressionForced,
    ...(compression === undefined ? {} : { compression }),
  };
  try {
    await images.putContent(place, content, {
      onProgress,
      signal,
      ...(credentials === undefined ? {} : { credentials }),
    });
  } catch (error) {
    if (signal.aborted || supply.lostCount === lostBefore) throw error;
    return sendCache(parts, target, place, records);
  }
  const leftOut = records.length - kept.length;
  if (leftOut > 0)
    parts.warn(
      `${leftOut} steps are not in the cache ${nameOfPlace(target)}: their layers are in none of --cache-from`,
    );
}
