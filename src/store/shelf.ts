import { existsSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf } from "../error.ts";
import { shareTurns } from "../turn.ts";
import type { Database } from "./database.ts";
import { text } from "./database.ts";
import { blobPath, digestOfPath, layerPath, sizeOnDisk, syncDirectory, temporaryPath } from "./layout.ts";

/**
 * Brings files into sight and takes them away, so that rows and files agree after a crash at any point.
 *
 * Coming: journal row (on disk) → rename → directory synced → one transaction adds the row, drops the journal's.
 * Going: one transaction drops the row, adds the journal's (on disk) → rename into `ingest/` → journal row dropped.
 * So whatever is visible without a row is in the journal, and no row is without its file.
 */
export interface Shelf {
  /**
   * Moves `temporary` (synced by the caller) to `path`, then runs `commit` in a transaction. When the path is
   * known already the temporary is dropped and `commit` runs all the same. On failure nothing is left.
   */
  publish(temporary: string, path: string, commit: (existed: boolean) => void): Promise<void>;
  /** In the transaction that drops the rows of these paths: note them for {@link retire}. */
  condemn(path: string): void;
  /** Deletes what was condemned; the bytes freed. */
  retire(paths: readonly string[]): Promise<number>;
  /** At start: removes what a crash left half way. */
  recover(): Promise<void>;
  /** Resolves when nothing is being published. */
  idle(): Promise<void>;
}

export function openShelf(root: string, database: Database): Shelf {
  const busy = new Map<string, Promise<void>>();

  const isKnown = (path: string): boolean => {
    const digest = digestOfPath(path);
    return path === blobPath(digest)
      ? database.get("SELECT 1 FROM blobs WHERE digest = ?", digest) !== undefined
      : path === layerPath(digest) &&
          database.get("SELECT 1 FROM layers WHERE diff_id = ?", digest) !== undefined;
  };
  const note = (path: string) => database.run("INSERT OR IGNORE INTO journal VALUES (?)", path);
  const forget = (path: string) => database.run("DELETE FROM journal WHERE path = ?", path);

  /** Names in these directories outlive a power cut. Those who ask at once share one wait for the disk. */
  const syncs = new Map<string, () => Promise<void>>();
  const syncShared = (directory: string): Promise<void> => {
    const sync = syncs.get(directory) ?? shareTurns(() => syncDirectory(directory));
    syncs.set(directory, sync);
    return sync();
  };

  /** Moves a path out of sight at once; what it was moved to, to be removed at leisure. */
  const hide = (path: string): string | undefined => {
    const trash = temporaryPath(root, "trash");
    try {
      renameSync(join(root, path), trash);
      return trash;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  };

  const place = async (temporary: string, path: string, commit: (existed: boolean) => void) => {
    if (isKnown(path)) {
      database.transaction(() => commit(true));
      return rm(temporary, { recursive: true, force: true });
    }
    const target = join(root, path);
    note(path);
    let moved = false;
    let leftOver: string | undefined;
    try {
      await database.settle();
      leftOver = existsSync(target) ? hide(path) : undefined;
      renameSync(temporary, target);
      moved = true;
      await syncShared(dirname(target));
      database.transaction(() => {
        commit(false);
        forget(path);
      });
    } catch (error) {
      const failed = moved ? hide(path) : temporary;
      if (failed !== undefined) await rm(failed, { recursive: true, force: true }).catch(() => undefined);
      forget(path);
      throw error;
    } finally {
      if (leftOver !== undefined) await rm(leftOver, { recursive: true, force: true });
    }
  };

  return {
    async publish(temporary, path, commit) {
      for (let other = busy.get(path); other !== undefined; other = busy.get(path)) await other;
      const placed = place(temporary, path, commit);
      const settled = placed
        .catch(() => undefined)
        .then(() => {
          busy.delete(path);
        });
      busy.set(path, settled);
      await placed;
    },
    condemn: note,
    async retire(paths) {
      if (paths.length === 0) return 0;
      await database.settle();
      const trash: string[] = [];
      const parents = new Set<string>();
      for (const path of paths) {
        if (busy.has(path) || isKnown(path)) continue;
        const hidden = hide(path);
        if (hidden !== undefined) trash.push(hidden);
        parents.add(join(root, dirname(path)));
      }
      for (const parent of parents) await syncShared(parent);
      database.transaction(() => {
        for (const path of paths) if (!busy.has(path)) forget(path);
      });
      let bytes = 0;
      for (const path of trash) {
        bytes += await sizeOnDisk(path);
        await rm(path, { recursive: true, force: true });
      }
      return bytes;
    },
    async recover() {
      const paths = database.all("SELECT path FROM journal").map((row) => text(row, "path"));
      for (const path of paths) {
        if (!isKnown(path)) {
          await rm(join(root, path), { recursive: true, force: true });
          await syncDirectory(join(root, dirname(path)));
        }
        forget(path);
      }
    },
    async idle() {
      while (busy.size > 0) await Promise.all(busy.values());
    },
  };
}
