import { parseBoolean } from "../../boolean.ts";
import { PlyError } from "../../error.ts";
import {
  asArray,
  asObject,
  type DiffId,
  MAX_CONFIG_BYTES,
  MAX_LAYERS,
  type Manifest,
  parseDiffId,
  parseJsonObject,
} from "../../oci/index.ts";

/** `artifactType` of the manifest of a cache of its own. */
export const CACHE_ARTIFACT_TYPE = "application/vnd.ply.buildcache.v1";
export const CACHE_CONFIG_TYPE = "application/vnd.ply.buildcache.config.v1+json";
/** Where a config has the records: that of a cache of its own, or of an image that carries its own cache. */
export const CACHE_FIELD = "vnd.ply.buildcache.v1";

const MAX_STEPS = 50_000;
const KEY = /^[0-9a-f]{64}$/;
/** The last moment that RFC 3339 can write. */
const MAX_TIME_MS = Date.parse("9999-12-31T23:59:59Z");

/** What a step made, as caches outside of the store have it. Keys hold for every machine: they are of content alone. */
export interface CacheRecord {
  /** Of what was done to come here, this step included. */
  readonly historyKey: string;
  /** When that was first made, in milliseconds since 1970. */
  readonly createdAt: number;
  /** By which the step is known without the files of the layers it stands on or copies from; absent: it needs none of them. */
  readonly definition?: string;
  /** Absent: a step that is no layer's by its nature, or that has changed nothing. */
  readonly made?: {
    readonly key: string;
    /** Null: it changed nothing. */
    readonly diffId: DiffId | null;
  };
}

/** Records as they are found again. */
export interface CacheRecords {
  /** By the key of a step. */
  readonly layers: ReadonlyMap<string, DiffId | null>;
  /** Keys of steps by their definitions; null: such a step changes nothing. */
  readonly definitions: ReadonlyMap<string, string | null>;
  /** By history key, milliseconds since 1970. */
  readonly times: ReadonlyMap<string, number>;
}

/** Whether an image is to have the records of its own steps; BuildKit's frontends take an argument for it too. */
export function carriesCache({
  hasInlineCache = false,
  buildArgs,
}: {
  readonly hasInlineCache?: boolean;
  readonly buildArgs?: ReadonlyMap<string, string>;
}): boolean {
  return hasInlineCache || parseBoolean(buildArgs?.get("BUILDKIT_INLINE_CACHE") ?? "") === true;
}

/** The layers that records name, each once, in the order of the steps. */
export function layersOf(records: readonly CacheRecord[]): DiffId[] {
  return [...new Set(records.flatMap(({ made }) => made?.diffId ?? []))];
}

/** The value of the field, of records whose layers are `diffIds` or not told of. The same records make the same value. */
export function encodeRecords(records: readonly CacheRecord[], diffIds: readonly DiffId[]): object {
  const byHistory = new Map(records.map((record) => [record.historyKey, record]));
  return {
    steps: [...byHistory.values()].flatMap(({ historyKey, createdAt, definition, made }) => {
      const common = {
        history: historyKey,
        created: new Date(createdAt).toISOString(),
        ...(definition === undefined ? {} : { definition }),
      };
      if (made === undefined) return [common];
      const layer = made.diffId === null ? null : diffIds.indexOf(made.diffId);
      return layer === -1 ? [] : [{ ...common, key: made.key, layer }];
    }),
  };
}

/** The config of a cache of its own. */
export function encodeCacheConfig(records: readonly CacheRecord[]): Uint8Array {
  const diffIds = layersOf(records);
  return new TextEncoder().encode(
    JSON.stringify({
      rootfs: { type: "layers", diff_ids: diffIds },
      [CACHE_FIELD]: encodeRecords(records, diffIds),
    }),
  );
}

/**
 * Reads the records of a config, an image's or a cache's; undefined when it has none. What they say is their author's
 * word: that a layer is what a step makes cannot be checked. Throws "invalid", "limit".
 */
export function parseRecords(
  config: Uint8Array,
): (CacheRecords & { readonly diffIds: readonly DiffId[] }) | undefined {
  const document = parseJsonObject(config, "config", MAX_CONFIG_BYTES);
  if (document[CACHE_FIELD] === undefined) return undefined;
  const rootfs = asObject(document["rootfs"], "config.rootfs");
  const diffIds = asArray(rootfs["diff_ids"], "config.rootfs.diff_ids", MAX_LAYERS).map((id) =>
    parseDiffId(String(id)),
  );
  const { steps } = asObject(document[CACHE_FIELD], CACHE_FIELD);
  const layers = new Map<string, DiffId | null>();
  const definitions = new Map<string, string | null>();
  const times = new Map<string, number>();
  for (const [n, step] of asArray(steps, `${CACHE_FIELD}.steps`, MAX_STEPS).entries()) {
    const { history, created, definition, key, layer } = asObject(step, `${CACHE_FIELD}.steps[${n}]`);
    const createdAt = Date.parse(String(created));
    const diffId = layer === null ? null : typeof layer === "number" ? diffIds[layer] : undefined;
    if (!isKey(history) || !(createdAt >= 0 && createdAt <= MAX_TIME_MS)) throw malformed(n);
    times.set(history, createdAt);
    if (key !== undefined && !isKey(key)) throw malformed(n);
    if (definition !== undefined) {
      if (!isKey(definition)) throw malformed(n);
      definitions.set(definition, key ?? null);
    }
    if (key === undefined) continue;
    if (diffId === undefined) throw malformed(n);
    layers.set(key, diffId);
  }
  return { layers, definitions, times, diffIds };
}

/** Layers of a manifest by what they unpack to. Throws "corrupt" when there are not as many as the config says. */
export function descriptorsOf(
  { layers }: Manifest,
  diffIds: readonly DiffId[],
): ReadonlyMap<DiffId, Manifest["layers"][number]> {
  if (layers.length !== diffIds.length)
    throw new PlyError("corrupt", `its manifest has ${layers.length} layers, its config ${diffIds.length}`);
  return new Map(layers.map((descriptor, n) => [diffIds[n] as DiffId, descriptor]));
}

function isKey(value: unknown): value is string {
  return typeof value === "string" && KEY.test(value);
}

function malformed(n: number): PlyError {
  return new PlyError("invalid", `${CACHE_FIELD}.steps[${n}] is malformed`);
}
