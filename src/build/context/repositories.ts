import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { sizeOfTree } from "../../linux/index.ts";

/** Bare copies of repositories, kept between builds: what a build has fetched the next one need not. */
export interface Repositories {
  /** The copy of a repository, for one at a time; it may not have been made yet. Release it when done. */
  hold(repository: string): Promise<{ readonly directory: string; readonly isNew: boolean; release(): void }>;
  /** Removes all that nobody holds; the bytes that were theirs. */
  clear(): Promise<number>;
}

export function openRepositories(directory: string): Repositories {
  /** The last in the queue for each. */
  const queues = new Map<string, Promise<void>>();
  return {
    async hold(repository) {
      const name = createHash("sha256").update(repository).digest("hex").slice(0, 32);
      const place = join(directory, name);
      const before = queues.get(name);
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const mine = (before ?? Promise.resolve()).then(() => held);
      queues.set(name, mine);
      void mine.then(() => {
        if (queues.get(name) === mine) queues.delete(name);
      });
      await before;
      await mkdir(directory, { recursive: true, mode: 0o700 });
      return { directory: place, isNew: !existsSync(join(place, "HEAD")), release };
    },
    async clear() {
      const names = await readdir(directory).catch(() => []);
      let bytes = 0;
      for (const name of names) {
        if (queues.has(name)) continue;
        bytes += await sizeOfTree(join(directory, name));
        await rm(join(directory, name), { recursive: true, force: true });
      }
      return bytes;
    },
  };
}
