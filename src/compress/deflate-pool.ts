import { availableParallelism } from "node:os";
import { PlyError } from "../error.ts";
import { type IsalBlock, type IsalLevel, isalBound, openIsalDeflater } from "../linux/index.ts";
import { workerUrl } from "../worker-url.ts";
import { type DeflateThread, startDeflateThread } from "./deflate-thread.ts";
import { type DeflateBlock, type Deflater, zlibDeflater } from "./deflater.ts";

export interface DeflatePoolOptions {
  /** The default is one a core, at most {@link MAX_THREADS}. Each has some 5 MB. */
  readonly threads?: number;
  /** Threads without work end after this, in ms. */
  readonly idleMs?: number;
  /** For tests: what the threads run. */
  readonly workerUrl?: URL;
}

/** Beyond this the main thread, which hashes and writes, cannot follow. */
const MAX_THREADS = 8;

/** Long enough for the next layer, short enough for an engine that is left alone to be small. */
const DEFAULT_IDLE_MS = 10_000;

/** Up to this a block is deflated at once, in less time than a thread takes to wake. */
const SMALL_BYTES = 64 * 1024;

/**
 * The level of ISA-L, which is within 5 to 11 % of the size that zlib's 6 gives, in a fifth of its time: below 30 Mbit/s or so a
 * slower one has the layer at its registry sooner.
 */
const ISAL_LEVEL: IsalLevel = 2;

/**
 * Deflates by ISA-L in threads that start with the first block: levels 1 and 2, which are also the usual one. Other levels are zlib's, and all are
 * where ISA-L cannot be used. Dispose it: blocks under way are rejected with "cancelled", threads end.
 */
export function createDeflatePool(options: DeflatePoolOptions = {}): Deflater & AsyncDisposable {
  const isal = openIsalDeflater();
  const maxThreads = options.threads ?? Math.min(MAX_THREADS, availableParallelism());
  const url = options.workerUrl ?? workerUrl("compress/deflate.worker.ts");
  let threads: DeflateThread[] = [];
  const queue: (() => void)[] = [];
  let atWork = 0;
  let isClosed = false;
  let idleTimer: NodeJS.Timeout | undefined;

  const endThreads = async (): Promise<void> => {
    clearTimeout(idleTimer);
    await Promise.all(threads.splice(0).map((thread) => thread.end()));
  };

  /** The thread with the least to do; a new one before one has two blocks. */
  const freeThread = (): DeflateThread | undefined => {
    threads = threads.filter(({ isDead }) => !isDead);
    const [best] = threads.toSorted((a, b) => b.freeSlots - a.freeSlots);
    if (best !== undefined && (best.freeSlots > 1 || threads.length >= maxThreads))
      return best.freeSlots > 0 ? best : undefined;
    const thread = startDeflateThread(url);
    threads.push(thread);
    return thread;
  };

  const inThread = async (block: IsalBlock): Promise<Uint8Array> => {
    clearTimeout(idleTimer);
    atWork++;
    try {
      let thread = freeThread();
      while (thread === undefined) {
        await new Promise<void>((resolve) => queue.push(resolve));
        if (isClosed) throw cancelled();
        thread = freeThread();
      }
      return await thread.deflate(block);
    } finally {
      atWork--;
      queue.shift()?.();
      if (atWork === 0 && !isClosed) {
        idleTimer = setTimeout(() => void endThreads(), options.idleMs ?? DEFAULT_IDLE_MS);
        idleTimer.unref();
      }
    }
  };

  return {
    deflate: async (block: DeflateBlock) => {
      const { input, dictionary, level = ISAL_LEVEL } = block;
      if (isClosed) throw cancelled();
      if (isal === undefined || (level !== 1 && level !== 2)) return await zlibDeflater.deflate(block);
      if (input.length > SMALL_BYTES) return await inThread({ input, dictionary, level });
      const output = new Uint8Array(isalBound(input.length));
      return output.subarray(0, isal.deflate({ input, dictionary, level }, output));
    },
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
      for (const wake of queue.splice(0)) wake();
      await endThreads();
    },
  };
}

function cancelled(): PlyError {
  return new PlyError("cancelled", "the compression was cancelled");
}
