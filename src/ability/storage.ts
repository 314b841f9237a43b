import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Ability } from "./ability.ts";

/** One storage driver, tried in the state directory. `why`: how it works, or what stood in the way. */
export interface TriedDriver {
  readonly name: string;
  readonly ok: boolean;
  readonly why: string;
}

const MB = 2 ** 20;
/** Below this, a pull of any size fails half way. */
const LITTLE_BYTES = 1024 * MB;

/** Where layers and containers are kept, and in what form. `tried`: best first. */
export async function probeStorage(root: string, tried: readonly TriedDriver[]): Promise<Ability[]> {
  return [driver(tried), await room(root)];
}

function driver(tried: readonly TriedDriver[]): Ability {
  const about = { area: "storage", name: "driver" } as const;
  const works = tried.find(({ ok }) => ok);
  const failed = tried.filter(({ ok }) => !ok).map(({ name, why }) => `${name}: ${why}`);
  if (works === undefined)
    return {
      ...about,
      state: "broken",
      found: failed.join("; "),
      cost: "no image can be kept, and no container run",
      cure: "put --root on ext4, xfs or btrfs, and run the engine as root",
    };
  const found = `${works.name}: ${works.why}`;
  if (works.name === "erofs") return { ...about, state: "works", found };
  return {
    ...about,
    state: "limited",
    found: `${found} (${failed.join("; ")})`,
    cost: "layers are unpacked: pulls and removals take several times as long",
    cure: "use Linux 6.12 or newer",
  };
}

async function room(root: string): Promise<Ability> {
  const about = { area: "storage", name: "space" } as const;
  const { bavail, bsize, ffree, files } = await nearest(root);
  const free = bavail * bsize;
  const found = `${Math.floor(free / MB)} MB free at ${root}`;
  const cure = "ply system prune -a, or another --root";
  if (free < LITTLE_BYTES)
    return { ...about, state: "limited", found, cost: "larger images do not fit", cure };
  if (files > 0 && ffree < 1000)
    return {
      ...about,
      state: "limited",
      found: `${ffree} inodes free`,
      cost: "no more files can be made",
      cure,
    };
  return { ...about, state: "works", found };
}

/** Of the first directory on the way up that is there. */
async function nearest(path: string) {
  try {
    return await statfs(path);
  } catch (error) {
    if (path === dirname(path)) throw error;
    return nearest(dirname(path));
  }
}
