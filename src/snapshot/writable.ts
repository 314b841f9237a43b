import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { parseMountinfo } from "../linux/index.ts";
import type { ChainId } from "../oci/index.ts";
import { parseDigest } from "../oci/index.ts";
import {
  copyDirectoryAttributes,
  isStratum,
  mountOverlay,
  removeTree,
  type Strata,
  unmountAll,
  unmountAside,
} from "../overlay/index.ts";
import type { LayerStack } from "../store/index.ts";
import { createTurns } from "../turn.ts";
import type { PrepareOptions, Rootfs } from "./driver.ts";
import { createMappedRoots } from "./mapped-roots.ts";
import { isMountPoint } from "./mount-point.ts";
import type { Hold } from "./views.ts";

/** The read-only side of a container's root: overlay lowers (top first), kept while held. */
export interface Base extends Hold {
  readonly lowers: readonly string[];
}

export interface WritableParts {
  /** Mounts below it that end in `/rootfs` are ours. */
  readonly root: string;
  readonly openBase: (stack: LayerStack) => Promise<Base>;
  readonly hold: (chainId: ChainId) => Hold;
}

/**
 * Containers' roots: an overlay in the container's directory.
 *
 *     upper/   the writable layer (with snapshots: the first of its strata)      work/   overlayfs's own      rootfs/   where it is mounted
 *     empty/   the lower of a container over nothing      stack   the chain id it stands on, for `recover`
 */
export interface Writables extends AsyncDisposable {
  prepare(dir: string, stack: LayerStack | null, options?: PrepareOptions): Promise<Rootfs>;
  release(dir: string): Promise<void>;
  discard(dir: string): Promise<void>;
  recover(liveDirs: ReadonlySet<string>): void;
}

interface Prepared {
  readonly hold: Hold;
  readonly isEphemeral: boolean;
}

const UPPER: Strata = ["upper"];
/** All that may be of ours in a container's directory, besides strata. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  "upper",
  "upper.new",
  "work",
  "rootfs",
  "empty",
  "stack",
  "mapped",
]);
const ON_NOTHING: Hold = { release: () => undefined };

export function createWritables({ root, openBase, hold }: WritableParts): Writables {
  const prepared = new Map<string, Prepared>();
  const turns = createTurns();
  const mappedRoots = createMappedRoots(root);

  const release = async (dir: string): Promise<void> => {
    const found = prepared.get(dir);
    if (found?.isEphemeral) unmountAll(join(dir, "rootfs"));
    else await unmountWritable(join(dir, "rootfs"));
    found?.hold.release();
    prepared.delete(dir);
  };

  const baseOf = async (dir: string, stack: LayerStack | null): Promise<Base> => {
    if (stack !== null) return openBase(stack);
    const empty = join(dir, "empty");
    mkdirSync(empty, { recursive: true, mode: 0o755 });
    return { ...ON_NOTHING, lowers: [empty] };
  };

  return {
    prepare: (dir, stack, { isEphemeral = false, idMap, strata = UPPER } = {}) =>
      turns.take(dir, async () => {
        const [path, work] = [join(dir, "rootfs"), join(dir, "work")];
        const [upper = "", ...kept] = strata.map((name) => join(dir, name));
        if (prepared.has(dir)) return { path, upper };
        mkdirSync(path, { recursive: true, mode: 0o755 });
        unmountAll(path);
        // Nothing in it lasts; what an ephemeral mount left there would keep the next one from being made.
        if (existsSync(work)) await removeTree(work);
        mkdirSync(work, { mode: 0o700 });
        const base = await baseOf(dir, stack);
        const lowers = [...kept, ...base.lowers];
        try {
          if (!existsSync(upper)) makeUpper(upper, lowers[0]);
          writeFileSync(join(dir, "stack"), stack === null ? "" : stack.chainId);
          const overlay = { lowers, writable: { upper, work, isEphemeral }, target: path };
          if (idMap === undefined) mountOverlay(overlay);
          else await mappedRoots.mount(dir, overlay, idMap);
        } catch (error) {
          base.release();
          throw error;
        }
        prepared.set(dir, { hold: base, isEphemeral });
        return { path, upper };
      }),
    release: (dir) => turns.take(dir, () => release(dir)),
    discard: (dir) =>
      turns.take(dir, async () => {
        await release(dir);
        const ours = namesIn(dir).filter((name) => OWN_NAMES.has(name) || isStratum(name));
        await Promise.all(ours.map((name) => removeTree(join(dir, name))));
      }),
    recover(liveDirs) {
      const live = new Map([...liveDirs].map((dir) => [realPath(dir), dir]));
      const below = `${realPath(root)}${sep}`;
      for (const { target, fstype } of parseMountinfo()) {
        // Of a mount that was killed half way.
        if (basename(dirname(target)) === "mapped" && target.startsWith(below)) unmountAll(target);
        if (fstype !== "overlay" || basename(target) !== "rootfs" || !target.startsWith(below)) continue;
        const dir = live.get(dirname(target));
        if (dir === undefined) unmountAll(target);
        else if (!prepared.has(dir)) prepared.set(dir, { hold: adopt(dir, hold), isEphemeral: false });
      }
    },
    [Symbol.asyncDispose]: () => mappedRoots[Symbol.asyncDispose](),
  };
}

async function unmountWritable(target: string): Promise<void> {
  if (!isMountPoint(target)) return;
  await unmountAside(target);
  unmountAll(target);
}

function namesIn(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir) : [];
}

/** overlayfs shows the upper directory's own attributes as those of the root: they must be the image's. */
function makeUpper(upper: string, lowest: string | undefined): void {
  const fresh = `${upper}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o755 });
  if (lowest !== undefined) copyDirectoryAttributes(lowest, fresh);
  renameSync(fresh, upper);
}

function adopt(dir: string, hold: (chainId: ChainId) => Hold): Hold {
  let chainId = "";
  try {
    chainId = readFileSync(join(dir, "stack"), "utf8");
  } catch {
    // Written before the mount; gone only if somebody took it away. The mount works on.
  }
  return chainId === "" ? ON_NOTHING : hold(parseDigest(chainId) as ChainId);
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
