import { closeSync, constants, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { isPlyError } from "../error.ts";
import { openRoot } from "../files/index.ts";
import { openInRoot } from "../linux/index.ts";
import type { SnapshotDriver } from "../snapshot/index.ts";
import type { LayerStack } from "../store/index.ts";
import type { DetailedChange } from "./detailed-change.ts";

const CHUNK_LENGTH = 256 * 1024;
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The changes with "content" only where the bytes differ: a file of the same size may have been touched, no more. */
export async function withTrueContent(
  changes: readonly DetailedChange[],
  strata: readonly string[],
  stack: LayerStack | null,
  snapshots: SnapshotDriver,
): Promise<DetailedChange[]> {
  if (stack === null || !changes.some(isDoubtful)) return [...changes];
  await using view = await snapshots.view(stack);
  using below = openRoot(view.path);
  using above = openRoots(strata);
  const sure: DetailedChange[] = [];
  for (const change of changes) {
    if (isDoubtful(change) && (await isSameContent(below.fd, above.fds, change.path)))
      sure.push({ ...change, aspects: change.aspects.filter((aspect) => aspect !== "content") });
    else sure.push(change);
  }
  return sure;
}

function openRoots(paths: readonly string[]): Disposable & { readonly fds: readonly number[] } {
  const roots = paths.map((path) => openRoot(path));
  return {
    fds: roots.map(({ fd }) => fd),
    [Symbol.dispose]: () => {
      for (const root of roots) root[Symbol.dispose]();
    },
  };
}

/** The file as the strata show it: they do, or it would not be among the changes. */
function openTopmost(roots: readonly number[], path: string): number {
  let missing: unknown;
  for (const root of roots) {
    try {
      return openInRoot(root, path, FLAGS, { noLinks: true });
    } catch (error) {
      if (!isPlyError(error, "not-found")) throw error;
      missing = error;
    }
  }
  throw missing;
}

function isDoubtful({ aspects, sizeBefore, sizeAfter }: DetailedChange): boolean {
  return aspects.includes("content") && sizeBefore === sizeAfter;
}

async function isSameContent(below: number, above: readonly number[], path: string): Promise<boolean> {
  const open: number[] = [];
  try {
    open.push(openInRoot(below, path.slice(1), FLAGS, { noLinks: true }), openTopmost(above, path.slice(1)));
    const [first = -1, second = -1] = open;
    const [a, b] = [Buffer.alloc(CHUNK_LENGTH), Buffer.alloc(CHUNK_LENGTH)];
    for (;;) {
      const length = readSync(first, a);
      if (length !== readSync(second, b) || !a.subarray(0, length).equals(b.subarray(0, length)))
        return false;
      if (length === 0) return true;
      await setImmediate();
    }
  } catch {
    // It cannot be read, or is gone by now: then we do not know better than its time.
    return false;
  } finally {
    for (const fd of open) closeSync(fd);
  }
}
