import { lstatSync } from "node:fs";
import { readdir } from "node:fs/promises";

/** What a directory tree takes; hard links count once. */
export interface TreeUsage {
  /** Of the regular files' contents. */
  readonly bytes: number;
  readonly files: number;
}

/** Bytes of the regular files in a directory tree; hard links count once. What vanishes meanwhile counts nothing. */
export async function sizeOfTree(path: string): Promise<number> {
  return (await usageOfTree(path)).bytes;
}

/** Bytes and number of the regular files in a directory tree. What vanishes meanwhile counts nothing. */
export async function usageOfTree(path: string): Promise<TreeUsage> {
  const seen = new Set<number>();
  const todo: Buffer[] = [Buffer.from(path)];
  let bytes = 0;
  let files = 0;
  for (let directory = todo.pop(); directory !== undefined; directory = todo.pop()) {
    for (const name of await readdir(directory, { encoding: "buffer" }).catch(() => [])) {
      const child = Buffer.concat([directory, Buffer.from("/"), name]);
      const stat = lstatSync(child, { throwIfNoEntry: false });
      if (stat?.isDirectory()) todo.push(child);
      if (stat === undefined || !stat.isFile() || (stat.nlink > 1 && seen.has(stat.ino))) continue;
      seen.add(stat.ino);
      bytes += stat.size;
      files++;
    }
  }
  return { bytes, files };
}
