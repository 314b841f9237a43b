import type { FileStamp } from "../../linux/index.ts";

/** A file whose digest is known, as it was when it was hashed. */
export interface HashedFile extends FileStamp {
  readonly digest: string;
}

/** Digests of files of this host by what changes whenever their content does. */
export interface FileDigests {
  get(stamp: FileStamp): HashedFile | undefined;
  put(stamp: FileStamp, digest: string): HashedFile;
}

/** Some 20 MB: a few large projects. */
const REMEMBERED = 100_000;

export function createFileDigests(): FileDigests {
  // By half of the inode's number, which is nearly always all of it.
  const known = new Map<number, HashedFile>();
  return {
    get(stamp) {
      const found = known.get(stamp.inodeLow);
      return found !== undefined && isSameFile(found, stamp) ? found : undefined;
    },
    put(stamp, digest) {
      known.delete(stamp.inodeLow);
      const hashed = { ...stamp, digest };
      known.set(stamp.inodeLow, hashed);
      const oldest = known.size > REMEMBERED ? known.keys().next().value : undefined;
      if (oldest !== undefined) known.delete(oldest);
      return hashed;
    },
  };
}

/** Whether nothing was done to a file between two looks at it. */
export function isSameFile(one: FileStamp, other: FileStamp): boolean {
  return (
    one.inodeLow === other.inodeLow &&
    one.inodeHigh === other.inodeHigh &&
    one.device === other.device &&
    one.size === other.size &&
    one.changedSeconds === other.changedSeconds &&
    one.changedNanos === other.changedNanos
  );
}
