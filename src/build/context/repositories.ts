import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { sizeOfTree } from "../../linux/index.ts";
import type { Records } from "../../store/index.ts";
import { shown } from "./remote.ts";

/** A bare copy of a repository. */
export interface RepositoryCopy {
  readonly id: string;
  /** Its address, without passwords. */
  readonly repository: string;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly useCount: number;
}

/** Bare copies of repositories, kept between builds: what a build has fetched the next one need not. */
export interface Repositories {
  /** The copy of a repository, for one at a time; it may not have been made yet. Release it when done. */
  hold(repository: string): Promise<{ readonly directory: string; readonly isNew: boolean; release(): void }>;
  list(): (RepositoryCopy & { readonly isInUse: boolean })[];
  /** Bytes on disk. */
  sizeOf(id: string): Promise<number>;
  /** False, and nothing done: a build has it, or it is gone. */
  remove(id: string): Promise<boolean>;
}

export interface RepositoriesParts {
  /** Where they all lie. */
  readonly directory: string;
  /** `store.records("build-repository")`. */
  readonly records: Records;
  readonly clock: () => number;
}

export function openRepositories({ directory, records, clock }: RepositoriesParts): Repositories {
  /** The last in the queue for each. */
  const queues = new Map<string, Promise<void>>();
  const place = (id: string): string => join(directory, id);
  const find = (id: string) => records.get(id) as RepositoryCopy | undefined;
  /** Waits until nobody has it. */
  const claim = async (id: string): Promise<() => void> => {
    const before = queues.get(id) ?? Promise.resolve();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const mine = before.then(() => held);
    queues.set(id, mine);
    void mine.then(() => {
      if (queues.get(id) === mine) queues.delete(id);
    });
    await before;
    return release;
  };
  const clear = async (name: string): Promise<void> => {
    const release = await claim(name.replace(/\.new$/, ""));
    await rm(place(name), { recursive: true, force: true }).catch(() => undefined);
    release();
  };
  // What an engine that was killed has begun.
  for (const name of existsSync(directory) ? readdirSync(directory) : [])
    if (find(name) === undefined) void clear(name);

  return {
    async hold(repository) {
      const id = createHash("sha256").update(repository).digest("hex").slice(0, 32);
      const release = await claim(id);
      try {
        const now = clock();
        const { createdAt, useCount } = find(id) ?? { createdAt: now, useCount: 0 };
        const copy: RepositoryCopy = {
          id,
          repository: shown(repository),
          createdAt,
          lastUsedAt: now,
          useCount: useCount + 1,
        };
        records.put(id, copy);
        await mkdir(directory, { recursive: true, mode: 0o700 });
        return { directory: place(id), isNew: !existsSync(join(place(id), "HEAD")), release };
      } catch (error) {
        release();
        throw error;
      }
    },
    list: () =>
      records
        .list()
        .map(({ value }) => value as RepositoryCopy)
        .map((copy) => ({ ...copy, isInUse: queues.has(copy.id) })),
    sizeOf: (id) => sizeOfTree(place(id)),
    async remove(id) {
      if (queues.has(id) || find(id) === undefined) return false;
      const release = await claim(id);
      try {
        await rm(place(id), { recursive: true, force: true });
        records.delete(id);
        return true;
      } finally {
        release();
      }
    },
  };
}
