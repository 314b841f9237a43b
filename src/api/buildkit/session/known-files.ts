import type { TarHeaderFields } from "../../../tar/index.ts";

/** A file as it is told of. */
type Told = TarHeaderFields & { readonly size: number };

/** Contents of small files that clients have sent before: what has not changed is not asked for again. */
export interface KnownFiles {
  /** Those of one directory. `key`: the same for every transfer of it, "" where nobody knows; `nowMs`: when this one begins. */
  of(key: string, nowMs: number): KnownDirectory;
}

export interface KnownDirectory {
  find(file: Told): Uint8Array | undefined;
  /** Whether it is one to keep. */
  wants(file: Told): boolean;
  /** `content` is the caller's no more. */
  put(file: Told, content: Uint8Array): void;
}

/** What is larger takes longer to send than to ask for. */
const FILE_BYTES = 32 * 1024;
/** A few projects; less than a build takes anyway. */
const TOTAL_BYTES = 48 * 1024 * 1024;
/** What each takes besides its content. */
const OVERHEAD_BYTES = 400;
/** People who build again do so by then. */
const KEPT_MS = 10 * 60_000;
/** A file may be written to again within one tick of its clock; clocks of client and engine may differ. */
const SETTLED_MS = 2000;

export function createKnownFiles(): KnownFiles {
  /** The least recently used first. */
  const contents = new Map<string, Uint8Array>();
  let total = 0;
  let timer: NodeJS.Timeout | undefined;
  const remove = (id: string): void => {
    const content = contents.get(id);
    if (content === undefined) return;
    contents.delete(id);
    total -= content.length + OVERHEAD_BYTES;
  };
  const add = (id: string, content: Uint8Array): void => {
    remove(id);
    contents.set(id, content);
    total += content.length + OVERHEAD_BYTES;
    for (const oldest of contents.keys()) {
      if (total <= TOTAL_BYTES) return;
      remove(oldest);
    }
  };
  const forgetAll = (): void => {
    contents.clear();
    total = 0;
  };
  return {
    of(key, nowMs) {
      clearTimeout(timer);
      timer = setTimeout(forgetAll, KEPT_MS).unref();
      const idOf = (file: Told): string | undefined =>
        key !== "" && isTelling(file, nowMs) ? `${key}\n${stampOf(file)}` : undefined;
      return {
        wants: (file) => idOf(file) !== undefined,
        find(file) {
          const id = idOf(file);
          const content = id === undefined ? undefined : contents.get(id);
          if (id !== undefined && content !== undefined) add(id, content);
          return content;
        },
        put(file, content) {
          const id = idOf(file);
          if (id !== undefined && content.length === file.size) add(id, content);
        },
      };
    },
  };
}

/**
 * Whether a file's time tells it from others that it may become. Times of whole seconds are set by programs (packages of
 * npm all have the same), and would make another version of the same size look the same.
 */
function isTelling({ size, mtimeSeconds = 0, mtimeNanos = 0 }: Told, nowMs: number): boolean {
  return (
    size > 0 && size <= FILE_BYTES && mtimeNanos % 1000 !== 0 && mtimeSeconds * 1000 < nowMs - SETTLED_MS
  );
}

function stampOf({ path, size, mode, uid, gid, mtimeSeconds, mtimeNanos }: Told): string {
  return [path, size, mode, uid, gid, mtimeSeconds, mtimeNanos].join("\n");
}
