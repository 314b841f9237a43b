import { chmodSync, lchownSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type IdMap, insideId } from "../linux/index.ts";

/** Gives a tree that was copied out of a root with other owners outside back to the owners inside. */
export function unmapOwners(path: string, idMap: IdMap): void {
  const stat = lstatSync(path);
  lchownSync(path, insideId(idMap.uids, stat.uid), insideId(idMap.gids, stat.gid));
  // chown(2) takes setuid and setgid away.
  if (stat.isFile() && (stat.mode & 0o6000) !== 0) chmodSync(path, stat.mode & 0o7777);
  if (stat.isDirectory()) for (const name of readdirSync(path)) unmapOwners(join(path, name), idMap);
}
