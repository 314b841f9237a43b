import { closeSync, fstatSync, watch } from "node:fs";
import { createBlockReader } from "./log-blocks.ts";
import { isFinal, type LogFile, openLogFiles } from "./log-files.ts";
import { createLogDecoder, type LogChunk, timeKey } from "./log-format.ts";
import { tailStart } from "./log-tail.ts";

/** Blocks up to this come out line by line, as clients that take a frame for a line expect. */
const PER_LINE_BELOW = 64 * 1024;
/** A follower looks again after this long even when nobody told it of anything new. */
const LOOK_AGAIN_MS = 1000;

export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Nanoseconds since 1970, both inclusive. */
  readonly since?: bigint;
  readonly until?: bigint;
  /** The last lines only. */
  readonly tail?: number;
  readonly timestamps: boolean;
  readonly follow: boolean;
}

export interface LogSource {
  readonly dir: string;
  readonly prefix: string;
  /** True while more may come: it runs, or will run again without anybody's doing. */
  readonly isLive: () => boolean;
  /** Resolves at the container's next exit. */
  readonly nextExit: () => Promise<unknown>;
  /** Calls `hold` before the files go; returns what takes that back. */
  readonly onRemoval: (hold: () => void) => () => void;
}

/** What a container printed, in pieces as large as they come. Files that vanish meanwhile are read to their end. */
export async function* readLog(
  source: LogSource,
  options: LogOptions,
  signal?: AbortSignal,
): AsyncGenerator<readonly LogChunk[]> {
  const { dir } = source;
  const until = options.until === undefined ? undefined : timeKey(options.until);
  const decoder = createLogDecoder({
    stdout: options.stdout,
    stderr: options.stderr,
    since: options.since === undefined ? undefined : timeKey(options.since),
    until,
    timestamps: options.timestamps,
    prefix: source.prefix,
  });
  // Whether it follows is decided before the files are looked at: what comes after that is seen.
  const isFollowing = options.follow && source.isLive();
  const news = isFollowing ? watchNews(source, signal) : undefined;
  const files: LogFile[] = openLogFiles(dir, 0);
  const blocks = createBlockReader();
  let removed = false;
  let nextGeneration = (files.at(-1)?.generation ?? 0) + 1;
  const openMore = () => {
    if (removed) return;
    const more = openLogFiles(dir, nextGeneration);
    files.push(...more);
    nextGeneration = (files.at(-1)?.generation ?? nextGeneration - 1) + 1;
  };
  const forget = source.onRemoval(() => {
    if (isFollowing) openMore();
    removed = true;
    news?.tell();
  });
  try {
    // One that does not follow shows what is there now, however fast the container prints.
    const sizes = new Map(files.map(({ fd }) => [fd, fstatSync(fd).size]));
    let offset = 0;
    if (options.tail !== undefined && files.length > 0) {
      const sized = files.map(({ fd }) => ({ fd, size: sizes.get(fd) ?? 0 }));
      const start = tailStart(sized, { ...options, lines: options.tail, until });
      for (const { fd } of files.splice(0, start.file)) closeSync(fd);
      offset = start.offset;
    }
    if (isFollowing) sizes.clear();
    while (!signal?.aborted) {
      const file = files[0];
      if (file !== undefined) {
        const end = sizes.get(file.fd) ?? Number.POSITIVE_INFINITY;
        const final = isFollowing && !removed && isFinal(dir, file.generation);
        const live = source.isLive();
        const block = await blocks.read(file.fd, offset, end);
        if (block.length > 0) {
          offset += block.length;
          const chunks = decoder.push(block, block.length < PER_LINE_BELOW);
          if (chunks.length > 0) yield chunks;
          if (decoder.isOver) return;
          continue;
        }
        if (!isFollowing || removed || final || files.length > 1 || !live) {
          if (!live && isFollowing && !removed) openMore();
          if (files.length === 1 && isFollowing && !removed && final) openMore();
          if (files.length > 1) {
            await blocks.settle();
            closeSync(file.fd);
            files.shift();
            offset = 0;
            continue;
          }
          if (!isFollowing || removed || !live) return;
        }
      } else if (!isFollowing || removed || !source.isLive()) return;
      else {
        openMore();
        if (files.length > 0) continue;
      }
      if (options.until !== undefined && BigInt(Date.now()) * 1_000_000n > options.until) return;
      await news?.wait(options.until);
    }
  } finally {
    news?.[Symbol.dispose]();
    forget();
    await blocks.settle();
    for (const { fd } of files) closeSync(fd);
  }
}

interface News extends Disposable {
  tell(): void;
  /** Resolves at once when something happened since the last call, else when it does or it is time to look again. */
  wait(until: bigint | undefined): Promise<void>;
}

/** Hears of writes to the log and of changes of its container from the moment it is made. */
function watchNews({ dir, nextExit }: LogSource, signal: AbortSignal | undefined): News {
  let isNews = false;
  let isClosed = false;
  let wake = () => {};
  const tell = () => {
    isNews = true;
    wake();
  };
  signal?.addEventListener("abort", tell, { once: true });
  let watcher: ReturnType<typeof watch> | undefined;
  try {
    watcher = watch(dir, tell).on("error", tell);
  } catch {
    // No watches left, or the directory has gone: the timer does it.
  }
  const listen = () => {
    const told = () => {
      if (isClosed) return;
      tell();
      listen();
    };
    nextExit().then(told, told);
  };
  listen();
  return {
    tell,
    async wait(until) {
      if (!isNews) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const left = until === undefined ? LOOK_AGAIN_MS : Number(until / 1_000_000n) - Date.now() + 1;
        const timer = setTimeout(resolve, Math.max(1, Math.min(LOOK_AGAIN_MS, left)));
        await promise;
        clearTimeout(timer);
      }
      isNews = false;
    },
    [Symbol.dispose]() {
      isClosed = true;
      watcher?.close();
      signal?.removeEventListener("abort", tell);
    },
  };
}
