import { statfsSync } from "node:fs";
import type { CachePolicy } from "./build/index.ts";
import { parseDiskSize } from "./byte-size.ts";
import { parseLongDuration } from "./duration.ts";
import { PlyError } from "./error.ts";
import { isObject, type JsonObject } from "./oci/index.ts";

/** What of the build cache goes by itself: `builder.gc` of `engine.json`, or `serve --builder-gc`. */
export interface BuilderGc {
  /** False: nothing does. */
  readonly enabled?: boolean;
  /** What nobody used for so long goes: `1440h`. */
  readonly keepDuration?: string;
  /** Bytes (`20GB`, `10GiB`, a number), or a part of the disk (`10%`). Down to this nothing goes. */
  readonly reservedSpace?: Space;
  readonly maxUsedSpace?: Space;
  /** What the disk is to have left. */
  readonly minFreeSpace?: Space;
}

type Space = string | number;

/** As BuildKit has them, the smaller of the two. */
const RESERVED = { part: 0.1, bytes: 10e9 };
const MAX_USED = { part: 0.6, bytes: 100e9 };
const MIN_FREE_PART = 0.2;
const HOUR_MS = 60 * 60 * 1000;
const KEEP_MS = 60 * 24 * HOUR_MS;

const SPACES = ["reservedSpace", "maxUsedSpace", "minFreeSpace"] as const;

/** Checks what a document or a flag says. Throws "invalid" naming the field. */
export function parseBuilderGc(value: unknown): BuilderGc {
  if (!isObject(value)) throw new PlyError("invalid", "builder.gc: want an object");
  for (const field of Object.keys(value))
    if (field !== "enabled" && field !== "keepDuration" && !(SPACES as readonly string[]).includes(field))
      throw new PlyError("invalid", `builder.gc.${field}: there is no such field`);
  const { enabled, keepDuration } = value;
  if (enabled !== undefined && typeof enabled !== "boolean")
    throw new PlyError("invalid", "builder.gc.enabled: want true or false");
  if (keepDuration !== undefined && typeof keepDuration !== "string")
    throw new PlyError("invalid", "builder.gc.keepDuration: want a duration, 1440h");
  const gc: BuilderGc = {
    ...(enabled === undefined ? {} : { enabled }),
    ...(keepDuration === undefined ? {} : { keepDuration }),
    ...spacesOf(value),
  };
  // What it comes to is known only with the disk; that it can be read is known now.
  resolveBuilderGc(gc, 1);
  return gc;
}

function spacesOf(value: JsonObject): Pick<BuilderGc, (typeof SPACES)[number]> {
  return Object.fromEntries(
    SPACES.flatMap((name) => {
      const space = value[name];
      if (space === undefined) return [];
      if (typeof space !== "string" && typeof space !== "number")
        throw new PlyError("invalid", `builder.gc.${name}: want a size, 20GB or 10%`);
      return [[name, space]];
    }),
  );
}

/** The policy for the disk that a directory is on. */
export function builderPolicy(gc: BuilderGc, directory: string): CachePolicy | undefined {
  const { blocks, bsize } = statfsSync(directory);
  return resolveBuilderGc(gc, blocks * bsize);
}

/** Undefined: nothing goes by itself. Throws "invalid" naming the field. */
export function resolveBuilderGc(gc: BuilderGc, diskBytes: number): CachePolicy | undefined {
  if (gc.enabled === false) return undefined;
  const spaceOf = (name: (typeof SPACES)[number], usual: number): number =>
    gc[name] === undefined ? Math.floor(usual) : bytesOf(name, gc[name], diskBytes);
  return {
    keepMs: gc.keepDuration === undefined ? KEEP_MS : durationOf(gc.keepDuration),
    limits: {
      reservedSpace: spaceOf("reservedSpace", Math.min(RESERVED.bytes, diskBytes * RESERVED.part)),
      maxUsedSpace: spaceOf("maxUsedSpace", Math.min(MAX_USED.bytes, diskBytes * MAX_USED.part)),
      minFreeSpace: spaceOf("minFreeSpace", diskBytes * MIN_FREE_PART),
    },
  };
}

function bytesOf(name: string, given: Space, diskBytes: number): number {
  const text = String(given).trim();
  const share = /^(\d+(?:\.\d+)?) ?%$/.exec(text)?.[1];
  const bytes = share === undefined ? parseDiskSize(text) : Math.floor((diskBytes * Number(share)) / 100);
  if (bytes === undefined)
    throw new PlyError("invalid", `builder.gc.${name}: ${JSON.stringify(given)} is no size`, {
      hint: "write it as 20GB, 10GiB, a number of bytes or 10% of the disk",
    });
  return bytes;
}

function durationOf(text: string): number {
  const ms = parseLongDuration(text);
  if (ms === undefined)
    throw new PlyError("invalid", `builder.gc.keepDuration: ${JSON.stringify(text)} is no duration`, {
      hint: "write it as 1440h or 60d",
    });
  return ms;
}
