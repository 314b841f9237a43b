/** Digests of files of this host by what changes whenever their content does. */
export interface FileDigests {
  get(stamp: string): string | undefined;
  put(stamp: string, digest: string): void;
}

/** Some 15 MB: a few large projects. */
const REMEMBERED = 100_000;

export function createFileDigests(): FileDigests {
  const digests = new Map<string, string>();
  return {
    get: (stamp) => digests.get(stamp),
    put(stamp, digest) {
      digests.set(stamp, digest);
      if (digests.size <= REMEMBERED) return;
      const oldest = digests.keys().next().value;
      if (oldest !== undefined) digests.delete(oldest);
    },
  };
}
