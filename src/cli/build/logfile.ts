import { appendFileSync, writeFileSync } from "node:fs";
import type { Stdio } from "../terminal/index.ts";

/** `--logfile`: what would be said on standard error goes there, as to no terminal. Undefined: it is said. */
export function loggingTo(path: string | undefined, stdio: Stdio): Stdio {
  if (path === undefined) return stdio;
  writeFileSync(path, "");
  return { ...stdio, isTerminal: () => false, err: (text) => appendFileSync(path, text) };
}
