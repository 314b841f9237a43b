import { linkSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { copyDirectoryAttributes } from "../../overlay/index.ts";

/**
 * Adds to a directory what another one has and it lacks, without copying: files are linked. What both have stays as it is
 * in `to`. Nobody may write to either meanwhile, nor to `from` afterwards. Links are not followed.
 */
export function addMissing(from: string, to: string): void {
  visit(Buffer.from(from), Buffer.from(to));
}

function visit(from: Buffer, to: Buffer): void {
  for (const name of readdirSync(from, { encoding: "buffer" })) {
    const [source, target] = [below(from, name), below(to, name)];
    const isDirectory = lstatSync(source).isDirectory();
    const there = lstatSync(target, { throwIfNoEntry: false });
    if (!isDirectory && there === undefined) linkSync(source, target);
    if (!isDirectory || (there !== undefined && !there.isDirectory())) continue;
    if (there === undefined) mkdirSync(target, { mode: 0o700 });
    visit(source, target);
    // Last: what was put into it has changed its time.
    if (there === undefined) copyDirectoryAttributes(source, target);
  }
}

function below(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, SLASH, name]);
}

const SLASH = Buffer.from("/");
