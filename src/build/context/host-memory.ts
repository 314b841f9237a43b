import type { TreeNode } from "../../layer/index.ts";
import type { FileStamp } from "../../linux/index.ts";
import type { SeenDirectory } from "./directory-walk.ts";
import { createFileDigests, type FileDigests, type HashedFile } from "./file-digests.ts";

/** Directories as they were seen last, so that what did not change is not put together anew. */
export interface SeenTrees {
  /** What files of all these trees were; where digests are known, with them. */
  readonly stamps: WeakMap<TreeNode, FileStamp | HashedFile>;
  find(id: string): SeenDirectory | undefined;
  /** `count`: of the files in it. */
  keep(id: string, seen: SeenDirectory, count: number): void;
}

/** Some 60 MB. */
const FILES = 100_000;

export function createSeenTrees(): SeenTrees {
  const trees = new Map<string, { readonly seen: SeenDirectory; readonly count: number }>();
  let total = 0;
  const forget = (id: string): void => {
    total -= trees.get(id)?.count ?? 0;
    trees.delete(id);
  };
  return {
    stamps: new WeakMap(),
    find: (id) => trees.get(id)?.seen,
    keep(id, seen, count) {
      forget(id);
      if (count > FILES) return;
      trees.set(id, { seen, count });
      total += count;
      for (const each of trees.keys()) if (total > FILES) forget(each);
    },
  };
}

/** What is known of files of this host by their change times. */
export interface HostMemory {
  readonly digests: FileDigests;
  readonly trees: SeenTrees;
}

/** Wall and steady clock, milliseconds. */
interface Clocks {
  wall(): number;
  steady(): number;
}

/** Steps smaller than this cannot bring back a time before what counts as settled. */
const STEP_MS = 1000;

/** All of it is forgotten when the host's clock was set back: times come again then. */
export function createHostMemory(
  { wall, steady }: Clocks = { wall: Date.now, steady: () => performance.now() },
): () => HostMemory {
  const nothing = (): HostMemory => ({ digests: createFileDigests(), trees: createSeenTrees() });
  let memory = nothing();
  let ahead = wall() - steady();
  return () => {
    const now = wall() - steady();
    const isSetBack = now < ahead - STEP_MS;
    if (isSetBack) memory = nothing();
    ahead = isSetBack ? now : Math.max(ahead, now);
    return memory;
  };
}
