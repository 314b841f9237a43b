import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { PlyError } from "../../error.ts";
import { type TreeUsage, usageOfTree } from "../../linux/index.ts";
import { removeTree } from "../../overlay/index.ts";
import type { Records } from "../../store/index.ts";
import { createTurns } from "../../turn.ts";
import { keyOf } from "../cache/cache.ts";
import { type CacheHolds, createCacheHolds, type Sharing } from "./cache-holds.ts";

/** What tells the directories of `RUN --mount=type=cache` from each other: who wants another owner or beginning gets another one. */
export interface CacheIdentity {
  /** As people write it: `id=`, else the target. */
  readonly id: string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** Digest of the files that it began with; absent: none. */
  readonly from?: string;
}

/** A directory that outlives builds. */
export interface CacheMount extends CacheIdentity {
  /** Its own name, where several have one id; a function of the identity and `copy`. */
  readonly key: string;
  /** From 1; more where builds wanted one for themselves at the same time. */
  readonly copy: number;
  /** Where steps had it. */
  readonly targets: readonly string[];
  /** The instruction that had it last. */
  readonly step: string;
  readonly sharing: Sharing;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly useCount: number;
}

/** A use by a step. */
export interface CacheUse {
  readonly identity: CacheIdentity;
  readonly sharing: Sharing;
  readonly target: string;
  readonly step: string;
  /** Puts what it begins with into a directory that is empty. */
  fill(directory: string): Promise<void> | void;
}

/** A directory while somebody has it. */
export interface HeldCache extends Disposable {
  readonly directory: string;
}

/** The directories of `RUN --mount=type=cache`, which outlive builds. */
export interface CacheMounts {
  /** A directory for one step. Waits while another has it locked; throws "cancelled" when the signal is aborted meanwhile. */
  hold(use: CacheUse, signal: AbortSignal): Promise<HeldCache>;
  list(): (CacheMount & { readonly isInUse: boolean })[];
  /** Nothing, once it is gone. */
  usageOf(key: string): Promise<TreeUsage>;
  /** Takes one away. Throws "not-found", "conflict" while a step has it. */
  remove(key: string): Promise<void>;
  /** One for reading it whole: waits until no step has it, and keeps others off. Throws "not-found". */
  read(key: string, signal: AbortSignal): Promise<HeldCache>;
  /** A new path on the same filesystem; what is there when an engine starts is removed. */
  stage(): string;
  /**
   * Makes a staged directory the cache of this identity, at once and wholly; what was there is removed. `prepare` may
   * look at that first. Throws "conflict" while a step has it.
   */
  adopt(
    mount: Omit<CacheMount, "key" | "lastUsedAt" | "useCount">,
    staged: string,
    prepare: (before: string | undefined) => void,
  ): Promise<CacheMount["key"]>;
}

export interface CacheMountParts {
  /** Where they all lie. */
  readonly directory: string;
  /** `store.records("cache-mount")`. */
  readonly records: Records;
  readonly clock: () => number;
}

/** What is written down: the directory is named by it, so that another one takes its place in one transaction. */
interface Entry extends CacheMount {
  readonly directory: string;
}

const MAX_TARGETS = 20;

export function openCacheMounts({ directory, records, clock }: CacheMountParts): CacheMounts {
  const entries = (): Entry[] => records.list().map(({ value }) => value as Entry);
  const find = (key: string): Entry | undefined => records.get(key) as Entry | undefined;
  const known = (key: string): Entry => {
    const entry = find(key);
    if (entry === undefined) throw new PlyError("not-found", `no such cache: ${key}`);
    return entry;
  };
  const pathOf = (entry: Entry): string => join(directory, entry.directory);
  const holds = createCacheHolds();
  const turns = createTurns();
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const own = new Set(entries().map((entry) => entry.directory));
  for (const name of readdirSync(directory))
    if (!own.has(name)) void removeTree(join(directory, name)).catch(() => undefined);

  const begin = async (key: string, copy: number, { identity, sharing, fill }: CacheUse): Promise<Entry> => {
    const name = randomUUID();
    const path = join(directory, name);
    mkdirSync(path, { mode: 0o700 });
    try {
      await fill(path);
    } catch (error) {
      await removeTree(path);
      throw error;
    }
    const now = clock();
    return {
      ...identity,
      key,
      copy,
      targets: [],
      step: "",
      sharing,
      createdAt: now,
      lastUsedAt: now,
      useCount: 0,
      directory: name,
    };
  };

  return {
    async hold(use, signal) {
      const { identity, sharing, target, step } = use;
      const stem = stemOf(identity);
      const copies = () => entries().flatMap(({ key, copy }) => (key === keyAt(stem, copy) ? [copy] : []));
      const { copy, ...held } = await holds.take(stem, { sharing, copies, signal });
      const key = keyAt(stem, copy);
      try {
        const entry = await turns.take(key, async () => {
          const before = find(key) ?? (await begin(key, copy, use));
          const targets = [target, ...before.targets.filter((each) => each !== target)].slice(0, MAX_TARGETS);
          const now = { sharing, targets, step, lastUsedAt: clock(), useCount: before.useCount + 1 };
          const after: Entry = { ...before, ...now };
          records.put(key, after);
          return after;
        });
        return { directory: pathOf(entry), [Symbol.dispose]: held.release };
      } catch (error) {
        held.release();
        throw error;
      }
    },
    list: () =>
      entries().map(({ directory: _own, ...mount }) => ({
        ...mount,
        isInUse: holds.isHeld(stemOf(mount), mount.copy),
      })),
    async usageOf(key) {
      const entry = find(key);
      return entry === undefined ? { bytes: 0, files: 0 } : usageOfTree(pathOf(entry));
    },
    async remove(key) {
      const entry = known(key);
      const held = alone(holds, entry);
      try {
        records.delete(key);
        await removeTree(pathOf(entry));
      } finally {
        held.release();
      }
    },
    async read(key, signal) {
      const wanted = known(key);
      const { release } = await holds.takeCopy(stemOf(wanted), wanted.copy, signal);
      try {
        // It may have gone while it was waited for.
        return { directory: pathOf(known(key)), [Symbol.dispose]: release };
      } catch (error) {
        release();
        throw error;
      }
    },
    stage: () => join(directory, randomUUID()),
    async adopt(mount, staged, prepare) {
      const key = keyAt(stemOf(mount), mount.copy);
      const held = alone(holds, mount);
      try {
        const before = find(key);
        prepare(before === undefined ? undefined : pathOf(before));
        const name = staged.slice(directory.length + 1);
        records.put(key, {
          ...mount,
          key,
          lastUsedAt: clock(),
          useCount: before?.useCount ?? 0,
          directory: name,
        });
        if (before !== undefined) await removeTree(pathOf(before));
        return key;
      } finally {
        held.release();
      }
    },
  };
}

/** Throws "conflict" when somebody has it. */
function alone(holds: CacheHolds, mount: CacheIdentity & Pick<CacheMount, "copy">): { release(): void } {
  const held = holds.tryCopy(stemOf(mount), mount.copy);
  if (held === undefined)
    throw new PlyError("conflict", `the cache ${mount.id} is in use by a build`, {
      hint: "try again when the build has ended",
    });
  return held;
}

function stemOf({ id, uid, gid, mode, from = "" }: CacheIdentity): string {
  return keyOf("cache mount", [
    ["id", id],
    ["owner", `${uid}:${gid}`],
    ["mode", String(mode)],
    ["from", from],
  ]).slice(0, 24);
}

function keyAt(stem: string, copy: number): string {
  return copy === 1 ? stem : `${stem}.${copy}`;
}
