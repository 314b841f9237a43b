import { lstatSync } from "node:fs";
import { readdir } from "node:fs/promises";

/** Bytes of the regular files in a directory tree; hard links count once. What vanishes meanwhile counts nothing. */
export async function sizeOfTree(path: string): Promise<number> {
  const seen = new Set<number>();
  const todo: Buffer[] = [Buffer.from(path)];
  let total = 0;
  for (let directory = todo.pop(); directory !== undefined; directory = todo.pop()) {
    for (const name of await readdir(directory, { encoding: "buffer" }).catch(() => [])) {
      const child = Buffer.concat([directory, Buffer.from("/"), name]);
      const stat = lstatSync(child, { throwIfNoEntry: false });
      if (stat?.isDirectory()) todo.push(child);
      if (stat === undefined || !stat.isFile() || (stat.nlink > 1 && seen.has(stat.ino))) continue;
      seen.add(stat.ino);
      total += stat.size;
    }
  }
  return total;
}
