import { lstat } from "node:fs/promises";
import { PlyError } from "../../error.ts";
import type { ContentPlace } from "../../image/index.ts";
import { familiarString, type Reference } from "../../oci/index.ts";

/** A place for a cache. A directory is one that the client named, in an OCI layout. */
export type CachePlace =
  | { readonly kind: "reference"; readonly reference: Reference }
  | {
      readonly kind: "directory";
      readonly directory: string;
      /** Which directory the client means: it may be on another host. */
      readonly device: string;
      readonly inode: string;
      readonly tag: string;
    };

/** `--cache-from`. */
export type CacheSource = CachePlace & {
  /** An image of that name that is here will do: its registry need not be asked (Docker's classic builder). */
  readonly isLocalEnough?: boolean;
};

/** `--cache-to`, but for `inline`. */
export type CacheTarget = CachePlace & {
  /** min: the steps of the image that is made; max: of all stages. */
  readonly mode: "min" | "max";
  readonly compression?: "gzip" | "zstd";
  readonly isCompressionForced?: boolean;
  /** The build is a success even so. */
  readonly ignoreError?: boolean;
};

/** What messages call it. */
export function nameOfPlace(place: CachePlace): string {
  return place.kind === "reference" ? familiarString(place.reference) : place.directory;
}

/** The place itself. Throws "conflict" for a directory that is not the client's. */
export async function contentPlace(place: CachePlace): Promise<ContentPlace> {
  if (place.kind === "reference") return { reference: place.reference };
  const { directory, device, inode, tag } = place;
  const stat = await lstat(directory, { bigint: true }).catch(() => undefined);
  if (stat?.isDirectory() && String(stat.dev) === device && String(stat.ino) === inode)
    return { directory, tag };
  if (device === "") throw new PlyError("not-found", "there is no such directory");
  throw new PlyError("conflict", `the engine does not find ${directory} where the client does`, {
    hint: "type=local needs an engine on the same host; type=registry works with any",
  });
}
