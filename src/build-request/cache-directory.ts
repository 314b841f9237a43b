import { existsSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import type { PlyCachePlace } from "../wire/index.ts";
import { directoryIdentity } from "./context.ts";

/** A build's cache in a directory of this host; one that is not there yet is no reason not to build. */
export function cacheDirectory(directory: string, tag: string): PlyCachePlace {
  const identity = existsSync(directory)
    ? directoryIdentity(realpathSync(directory))
    : { path: resolve(directory), device: "", inode: "" };
  return { kind: "directory", ...identity, tag };
}
