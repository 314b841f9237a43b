import { mkdirSync, type Stats } from "node:fs";
import { access, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { deflateRaw, inflateRaw } from "node:zlib";
import { compactTrace, type StepTrace } from "./difference.ts";

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

/** What the layers in the cache were made of, and those of late: a file each, named by the step's key. */
export interface TraceShelf {
  /** Begins to write it, once for each key; nobody waits. */
  put(key: string, trace: StepTrace): void;
  /** Undefined: nothing is known of it. */
  get(key: string): Promise<StepTrace | undefined>;
  /** Removes what is beyond the bounds: first what `isCached` says no, then the oldest. */
  trim(isCached: (key: string) => boolean): Promise<void>;
  /** Resolves when all is written. */
  idle(): Promise<void>;
}

/** What all files together may take, and how many they may be. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_FILES = 5_000;
const LEVEL = 1;
/** Against a file that says of itself that it is small: the inputs of some million files. */
const MAX_INFLATED = 512 * 1024 * 1024;

/** `directory` is made, where it is missing; nothing else may be in it. */
export function openTraceShelf(directory: string): TraceShelf {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const writing = new Map<string, Promise<void>>();
  const pathOf = (key: string): string => join(directory, key);
  const write = async (key: string, trace: StepTrace): Promise<void> => {
    const isHere = await access(pathOf(key)).then(
      () => true,
      () => false,
    );
    if (isHere) return;
    const bytes = await deflate(JSON.stringify(compactTrace(trace)), { level: LEVEL });
    await writeFile(`${pathOf(key)}.new`, bytes, { mode: 0o600 });
    await rename(`${pathOf(key)}.new`, pathOf(key));
  };
  const idle = async (): Promise<void> => {
    while (writing.size > 0) await Promise.all(writing.values());
  };
  return {
    put(key, trace) {
      if (writing.has(key)) return;
      // It explains, no more: a disk that is full does not fail the build.
      const written = write(key, trace)
        .catch(() => undefined)
        .then(() => {
          writing.delete(key);
        });
      writing.set(key, written);
    },
    async get(key) {
      await writing.get(key);
      try {
        const text = await inflate(await readFile(pathOf(key)), { maxOutputLength: MAX_INFLATED });
        return JSON.parse(text.toString("utf8")) as StepTrace;
      } catch {
        return undefined;
      }
    },
    async trim(isCached) {
      await idle();
      const files: { readonly key: string; readonly stats: Stats }[] = [];
      for (const key of await readdir(directory)) {
        const stats = await stat(pathOf(key)).catch(() => undefined);
        if (stats !== undefined) files.push({ key, stats });
      }
      files.sort(
        (a, b) => Number(isCached(b.key)) - Number(isCached(a.key)) || b.stats.mtimeMs - a.stats.mtimeMs,
      );
      let bytes = 0;
      for (const [n, { key, stats }] of files.entries()) {
        bytes += stats.size;
        if (n >= MAX_FILES || bytes > MAX_BYTES) await rm(pathOf(key), { force: true });
      }
    },
    idle,
  };
}
