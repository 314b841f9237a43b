import { readFileSync } from "node:fs";

/** A small file's text; empty where there is none. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
