import { lstatSync } from "node:fs";
import { dirname } from "node:path";

/** Whether another filesystem begins here; binds of the same one are not told. False where nothing is. */
export function isMountPoint(path: string): boolean {
  const [here, above] = [path, dirname(path)].map((each) => lstatSync(each, { throwIfNoEntry: false }));
  return here !== undefined && here.dev !== above?.dev;
}
