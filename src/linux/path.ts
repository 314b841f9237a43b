import { PlyError } from "../error.ts";

/** A path as Node and the kernel take it: text (UTF-8) or the raw bytes. */
export type Path = string | Uint8Array;

/** The bytes of a path or name with the NUL that C wants. Throws "invalid" when it has a NUL of its own. */
export function cString(text: Path): Buffer {
  const bytes = typeof text === "string" ? Buffer.from(text, "utf8") : text;
  if (bytes.includes(0))
    throw new PlyError("invalid", `a path cannot have a NUL byte: ${JSON.stringify(pathText(text))}`);
  const terminated = Buffer.alloc(bytes.length + 1);
  terminated.set(bytes);
  return terminated;
}

/** A path for messages; bytes that are no UTF-8 become U+FFFD. */
export function pathText(path: Path): string {
  return typeof path === "string" ? path : Buffer.from(path).toString("utf8");
}
