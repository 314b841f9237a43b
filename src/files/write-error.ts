import { codeOf, PlyError } from "../error.ts";
import { quoteBytes, type TarEntry } from "../tar/index.ts";

/** In words why an entry of an archive could not be written; an error that has its own words as it is. */
export function explained(error: unknown, { path: name, size }: TarEntry): unknown {
  const code = codeOf(error);
  const about = (kind: "denied" | "limit" | "invalid", why: string, hint?: string) =>
    new PlyError(kind, `cannot write ${quoteBytes(name)}: ${why}`, {
      cause: error,
      details: { code },
      ...(hint === undefined ? {} : { hint }),
    });
  switch (code) {
    case "EROFS":
      return about("denied", "it is read-only there");
    case "EPERM":
    case "EACCES":
      return about("denied", "permission denied");
    case "ENOSPC":
    case "EDQUOT":
      return about("limit", "no space left on device");
    case "EFBIG":
      return about("limit", `a file of ${size} bytes is larger than one can be there`);
    case "ELOOP":
      return about("invalid", "a symbolic link is in the way");
    case "EEXIST":
      return about("invalid", "something else is in the way, maybe a link that leads nowhere");
    case "ENOTDIR":
      return about("invalid", "not a directory");
    case "ENOENT":
      return about("invalid", "what it links to is not there");
    default:
      return error;
  }
}
