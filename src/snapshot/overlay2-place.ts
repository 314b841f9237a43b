import { closeSync, constants, openSync } from "node:fs";

/** Paths up to here are handed to the kernel whole; it takes 4,095 bytes. */
const DIRECT_LENGTH = 3800;

/**
 * Gives `use` a path the kernel takes for `name` (a byte string) below the directory `root`, however long it
 * is: through open directories, no symlink followed. The path is good during the call only.
 */
export function atPlace<T>(root: string, name: string, use: (path: Buffer) => T): T {
  const rootBytes = Buffer.from(root);
  if (rootBytes.length + name.length < DIRECT_LENGTH)
    return use(name === "" ? rootBytes : Buffer.concat([rootBytes, SLASH, Buffer.from(name, "latin1")]));
  let at = rootBytes;
  let rest = name;
  let fd: number | undefined;
  try {
    while (rest.length > DIRECT_LENGTH / 2) {
      const slash = rest.lastIndexOf("/", DIRECT_LENGTH / 2);
      const step = Buffer.concat([at, SLASH, Buffer.from(rest.slice(0, slash), "latin1")]);
      const next = openSync(step, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      if (fd !== undefined) closeSync(fd);
      fd = next;
      at = Buffer.from(`/proc/self/fd/${fd}`);
      rest = rest.slice(slash + 1);
    }
    return use(Buffer.concat([at, SLASH, Buffer.from(rest, "latin1")]));
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const SLASH = Buffer.from("/");
