import { chmodSync, chownSync, linkSync, lutimesSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Member } from "./tarball.ts";

/** Writes files, directories, symbolic and hard links, as they would be in an archive, into a directory that is made. */
export function writeContext(directory: string, members: readonly Member[]): void {
  const at = (name: string | Buffer): Buffer =>
    Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name)]);
  mkdirSync(directory, { recursive: true });
  const wanted: [path: Buffer, seconds: number][] = [];
  for (const { name, type = "0", link = "", data = "", mode, uid = 0, gid = 0, mtime } of members) {
    const path = at(name);
    mkdirSync(dirname(path.toString("latin1")), { recursive: true });
    if (type === "5") mkdirSync(path, { recursive: true });
    else if (type === "2") symlinkSync(link, path);
    else if (type === "1") linkSync(at(link), path);
    else writeFileSync(path, data);
    if (type === "0" || type === "5") {
      chmodSync(path, mode ?? (type === "5" ? 0o755 : 0o644));
      if (uid + gid > 0) chownSync(path, uid, gid);
    }
    if (mtime !== undefined) wanted.push([path, Number(mtime)]);
  }
  // Deeper ones first: writing into a directory changes its time.
  for (const [path, seconds] of wanted.reverse()) lutimesSync(path, seconds, seconds);
}
