import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { changesOfUpper, decodeIndex, type TreeNode, unionOf } from "../layer/index.ts";
import type { LayerStack } from "../store/index.ts";
import type { DetailedChange } from "./detailed-change.ts";
import { type Mountpoint, untouchedMountpoints } from "./mountpoint.ts";

/** What a writable layer (its strata, top first) changes of its image, without the mountpoints that were made for it. */
export async function changesIn(
  strata: readonly string[],
  stack: LayerStack | null,
  mountpoints: readonly Mountpoint[],
): Promise<DetailedChange[]> {
  const changes = changesOfUpper(strata, await unionBelow(stack));
  const untouched = pathsOf(untouchedMountpoints(strata[0] ?? "", mountpoints));
  // A directory above is "modified" only because of what is in it: without that, it is no change either.
  const parents = new Set([...untouched].map((path) => path.slice(0, Math.max(0, path.lastIndexOf("/")))));
  const left = changes.filter(({ path, kind }) => kind !== "added" || !untouched.has(path));
  return left
    .filter(
      ({ path, kind }) =>
        kind !== "modified" || !parents.has(path) || left.some((other) => other.path.startsWith(`${path}/`)),
    )
    .map(({ path, ...change }) => ({ ...change, path: `/${Buffer.from(path, "latin1").toString("utf8")}` }));
}

/** As byte strings. */
export function pathsOf(mountpoints: readonly Mountpoint[]): ReadonlySet<string> {
  return new Set(mountpoints.map(({ path }) => Buffer.from(path, "utf8").toString("latin1")));
}

async function unionBelow(stack: LayerStack | null): Promise<TreeNode | null> {
  if (stack === null) return null;
  const indexes = await Promise.all(
    stack.layers.map(async ({ dir }) => decodeIndex(await readFile(join(dir, "index")))),
  );
  return unionOf(indexes);
}
