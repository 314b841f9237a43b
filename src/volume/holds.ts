import { existsSync, renameSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { PlyError } from "../error.ts";
import {
  captureStrata,
  makeTop,
  newStratum,
  removeTree,
  reviveStrata,
  type Strata,
  tidyStrata,
} from "../overlay/index.ts";
import { createTurns } from "../turn.ts";
import { homeOf, isMounted, mountVolume, unmountVolume } from "./mounts.ts";
import type { VolumeRecord, Volumes } from "./volumes.ts";

/** The directory that a volume is as long as nothing is mounted on it. */
export const DATA = "_data";
const PLAIN: Strata = [DATA];
/** Holds what consists of strata, so that its path on the host shows its files while there is an engine. */
const ENGINE = "engine";

export interface HoldsParts {
  readonly get: (name: string) => VolumeRecord;
  readonly list: () => VolumeRecord[];
  /** Keeps a volume's record. */
  readonly put: (volume: VolumeRecord) => void;
}

export type Holds = Pick<Volumes, "open" | "close" | "settle" | "capture" | "revive" | "tidy" | "holdersOf"> &
  AsyncDisposable & {
    /** Nobody holds it; in its turn. */
    drop(name: string, work: () => Promise<void>): Promise<void>;
  };

/** Who has which volume open, and what is mounted for that. */
export function createHolds({ get, list, put }: HoldsParts): Holds {
  const holders = new Map<string, Set<string>>();
  const turns = createTurns();
  const holdersOf = (name: string): string[] =>
    [...(holders.get(name) ?? [])].filter((each) => each !== ENGINE);

  async function openNow(name: string, holder: string): Promise<string> {
    const volume = await whole(get(name));
    if (isMounted(volume)) await mountVolume(volume);
    const known = holders.get(name) ?? new Set();
    holders.set(name, known.add(holder));
    return volume.path;
  }

  function closeNow(name: string, holder: string): void {
    const known = holders.get(name);
    known?.delete(holder);
    if (known !== undefined && known.size > 0) return;
    holders.delete(name);
    const volume = list().find((each) => each.name === name);
    if (volume !== undefined && isMounted(volume)) unmountVolume(volume);
  }

  /** A single directory of another name takes the place of the volume's own, whose files nobody needs any more. */
  async function whole(volume: VolumeRecord): Promise<VolumeRecord> {
    const [only = DATA, ...more] = volume.strata ?? PLAIN;
    if (only === DATA || more.length > 0) return volume;
    const from = join(homeOf(volume), only);
    if (existsSync(from)) {
      unmountVolume(volume);
      await rm(volume.path, { recursive: true, force: true });
      renameSync(from, volume.path);
    }
    return keep(volume, PLAIN);
  }

  function keep(volume: VolumeRecord, strata: Strata): VolumeRecord {
    const { strata: _, ...rest } = volume;
    const isPlain = strata.length === 1 && strata[0] === DATA;
    const changed = isPlain ? rest : { ...rest, strata };
    put(changed);
    return changed;
  }

  /** With nothing mounted, unless others hold it; afterwards the path shows what the volume consists of then. */
  async function reshape<T>(
    name: string,
    work: (volume: VolumeRecord, isHeld: boolean) => Promise<T>,
  ): Promise<T> {
    return turns.take(name, async () => {
      closeNow(name, ENGINE);
      try {
        return await work(await whole(get(name)), holders.has(name));
      } finally {
        const volume = await whole(get(name));
        if (volume.strata !== undefined) await openNow(name, ENGINE);
      }
    });
  }

  function mustBeFree(name: string): void {
    const users = holdersOf(name);
    if (users.length > 0)
      throw new PlyError(
        "conflict",
        `volume ${name} is in use by a running container - [${users.join(", ")}]`,
        {
          hint: "stop these containers first",
          details: { name, usedBy: users },
        },
      );
  }

  return {
    holdersOf,
    open: (name, holder) => turns.take(name, () => openNow(name, holder)),
    close: (name, holder) => turns.take(name, async () => closeNow(name, holder)),
    async settle() {
      for (const { name } of list())
        await turns.take(name, async () => {
          const volume = await whole(get(name));
          if (!isMounted(volume)) return;
          if (!holders.has(name)) unmountVolume(volume);
          if (volume.strata !== undefined) await openNow(name, ENGINE);
        });
    },
    capture: (name, { isFrozen, onKept }) =>
      reshape(name, async (volume, isHeld) => {
        if (volume.options?.["device"]) return undefined;
        if (!isFrozen) mustBeFree(name);
        const live = volume.strata ?? PLAIN;
        const captured = await captureStrata(homeOf(volume), live, { isMounted: isHeld });
        onKept(captured.kept);
        if (captured.live !== live) keep(volume, captured.live);
        return captured.method;
      }),
    revive: (name, kept, pinned) =>
      reshape(name, async (volume) => {
        mustBeFree(name);
        const home = homeOf(volume);
        let live = await reviveStrata(home, kept);
        // Its own directory cannot become the volume's while a snapshot needs that one.
        if (live.length === 1 && pinned().some((strata) => strata.includes(DATA))) {
          const top = newStratum();
          makeTop(home, top, join(home, live[0] ?? ""));
          live = [top, ...live];
        }
        keep(volume, live);
      }),
    tidy: (name, pinned, onFold) =>
      reshape(name, async (volume, isHeld) => {
        const live = volume.strata ?? PLAIN;
        // What the volume stands on takes the place of its own directory when alone, which it cannot while that is pinned.
        const isApart = !live.includes(DATA) && pinned().some((each) => each.includes(DATA));
        await tidyStrata(homeOf(volume), {
          live,
          kept: pinned(),
          isWhole: true,
          isMounted: isHeld || isApart,
          onFold: (stratum) => {
            const now = get(name);
            keep(
              now,
              (now.strata ?? PLAIN).filter((each) => each !== stratum),
            );
            onFold(stratum);
          },
        });
        const isNeeded = [get(name).strata ?? PLAIN, ...pinned()].some((each) => each.includes(DATA));
        // A mount point still, but its own files are nobody's.
        if (!isNeeded && !isHeld)
          for (const entry of await readdir(volume.path)) await removeTree(join(volume.path, entry));
      }),
    drop: (name, work) =>
      turns.take(name, async () => {
        closeNow(name, ENGINE);
        await work();
      }),
    async [Symbol.asyncDispose]() {
      for (const name of [...holders.keys()]) await turns.take(name, async () => closeNow(name, ENGINE));
    },
  };
}
