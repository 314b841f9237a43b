import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ChainId, DiffId } from "../oci/index.ts";
import { hexOf } from "../oci/index.ts";

/** What `meta.json` of an unpacked layer says. */
export interface Unpacked {
  readonly chainId: ChainId;
  readonly parent: ChainId | null;
  readonly diffId: DiffId;
}

/**
 * The unpacked layers of a root, one directory per chain id, so that each is right over its own parents:
 *
 *     overlay2/<hex>/diff/       the layer in overlayfs form
 *     overlay2/<hex>/map         which of its files hold what of the layer's tar
 *     overlay2/<hex>/meta.json   {@link Unpacked}
 *     overlay2/<hex>/wanted      there when it was materialized for itself, not only as a parent
 *
 * When the last one of a layer goes while the layer stays, it moves to `layers/<hex>/unpacked`: the layer's tar needs it.
 */
export interface UnpackedShelf {
  pathOf(chainId: ChainId): string;
  get(chainId: ChainId): Unpacked | undefined;
  all(): Unpacked[];
  /** Reads the directories again. */
  reload(): void;
  add(unpacked: Unpacked): void;
  drop(chainId: ChainId): void;
  /** Those with this layer on top. */
  ofLayer(diffId: DiffId): Unpacked[];
  hasChildren(chainId: ChainId): boolean;
}

export function openUnpackedShelf(root: string): UnpackedShelf {
  const directory = join(root, "overlay2");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const pathOf = (chainId: ChainId) => join(directory, hexOf(chainId));
  const known = new Map<ChainId, Unpacked>();
  const reload = () => {
    known.clear();
    for (const name of readdirSync(directory)) {
      const unpacked = readMeta(join(directory, name));
      if (unpacked !== undefined && hexOf(unpacked.chainId) === name) known.set(unpacked.chainId, unpacked);
    }
  };
  reload();
  return {
    pathOf,
    reload,
    get: (chainId) => known.get(chainId),
    all: () => [...known.values()],
    add: (unpacked) => known.set(unpacked.chainId, unpacked),
    drop: (chainId) => known.delete(chainId),
    ofLayer: (diffId) => [...known.values()].filter((unpacked) => unpacked.diffId === diffId),
    hasChildren: (chainId) => [...known.values()].some((unpacked) => unpacked.parent === chainId),
  };
}

/** Undefined when there is nothing, or nothing of ours. */
export function readMeta(path: string): Unpacked | undefined {
  const meta = join(path, "meta.json");
  if (!existsSync(meta)) return undefined;
  try {
    return JSON.parse(readFileSync(meta, "utf8")) as Unpacked;
  } catch {
    return undefined;
  }
}
