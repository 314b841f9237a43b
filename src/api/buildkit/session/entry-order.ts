import type { TarHeaderFields } from "../../../tar/index.ts";
import { wrong } from "./stat-entry.ts";

/** A directory whose entries are coming. */
interface Open {
  /** "" for the top; others end in a slash. */
  readonly path: string;
  last: string;
}

/**
 * Watches that entries come as BuildKit's clients send them: directories before what is in them, names in the order of
 * their bytes, hard links after what they link to, and nothing outside. The checker throws "invalid".
 */
export function orderChecker(): (entry: TarHeaderFields) => void {
  const open: Open[] = [{ path: "", last: "" }];
  const files = new Set<string>();
  return ({ path, type, linkTarget = "" }) => {
    const clean = path.replace(/\/$/, "");
    const names = clean.split("/");
    if (names.some((name) => name === "" || name === "." || name === ".."))
      throw wrong(path, "a path that is not within its directory");
    const name = names.at(-1) ?? "";
    const parent = clean.slice(0, clean.length - name.length);
    let top = open.at(-1);
    while (top !== undefined && !parent.startsWith(top.path)) {
      open.pop();
      top = open.at(-1);
    }
    if (top === undefined || top.path !== parent || top.last >= name) throw wrong(path, "files out of order");
    top.last = name;
    if (type === "directory") open.push({ path: `${clean}/`, last: "" });
    if (type === "hardlink" && !files.has(linkTarget)) throw wrong(path, "a link to what it has not sent");
    if (type === "file") files.add(clean);
  };
}
