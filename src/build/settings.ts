import { posix } from "node:path";
import type { ProcessConfig } from "../oci/index.ts";

/** What a process without one gets, and an image from nothing has. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A path as WORKDIR and destinations have it: relative ones begin at the working directory. A final slash stays. */
export function absolutePath(path: string, config: ProcessConfig): string {
  const joined = posix.join("/", path.startsWith("/") ? "" : (config.WorkingDir ?? ""), path);
  const isDirectory = path === "" || /(?:^|\/)\.?$/.test(path);
  return isDirectory && !joined.endsWith("/") ? `${joined}/` : joined;
}
