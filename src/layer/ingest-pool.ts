import { PlyError, throwIfAborted } from "../error.ts";
import type { IngestPool } from "./ingest.ts";
import { DEFAULT_INGEST_LIMITS, type IngestLimits } from "./ingest-limit.ts";
import { createIngestPipeline, type IngestPipeline } from "./ingest-pipeline.ts";
import { takeSmall } from "./ingest-small.ts";

export interface IngestPoolOptions {
  /** Layers at once; each has two threads and some 20 to 35 MB. The default is {@link DEFAULT_WORKERS}. */
  readonly workers?: number;
  readonly limits?: Partial<IngestLimits>;
  /** Threads without work end after this, in ms. */
  readonly idleMs?: number;
  /** For tests: what the threads run. */
  readonly workerUrl?: URL;
}

/** As many as Docker downloads at once. */
const DEFAULT_WORKERS = 3;

/** Long enough for the next image of the same command, short enough for an engine that is left alone to be small. */
const DEFAULT_IDLE_MS = 10_000;

/**
 * Entries of a layer after which its threads make room for others: some 1 KB of garbage each, which a thread that waits
 * does not collect, while the layer's image is made with as much again.
 */
const MANY_ENTRIES = 20_000;

/** Makes a pool; threads start with the first layer. Dispose it: layers at work are cancelled, threads end. */
export function createIngestPool(options: IngestPoolOptions = {}): IngestPool {
  const limits = { ...DEFAULT_INGEST_LIMITS, ...options.limits };
  const maxWorkers = options.workers ?? DEFAULT_WORKERS;
  if (!Number.isInteger(maxWorkers) || maxWorkers < 1)
    throw new PlyError("invalid", `an ingest pool of ${maxWorkers} workers`);
  const idle: IngestPipeline[] = [];
  const waiting: (() => void)[] = [];
  const atWork = new Set<Promise<unknown>>();
  const disposal = new AbortController();
  let busy = 0;
  let idleTimer: NodeJS.Timeout | undefined;

  const closeIdle = async (): Promise<void> => {
    clearTimeout(idleTimer);
    await Promise.all(idle.splice(0).map((pipeline) => pipeline.close()));
  };

  const acquire = async (signal: AbortSignal): Promise<IngestPipeline> => {
    while (busy >= maxWorkers) await turn(waiting, signal);
    if (signal.aborted) waiting.shift()?.();
    throwIfAborted(signal);
    busy++;
    clearTimeout(idleTimer);
    for (let pipeline = idle.pop(); pipeline !== undefined; pipeline = idle.pop()) {
      if (!pipeline.isBroken) return pipeline;
      void pipeline.close();
    }
    return createIngestPipeline(limits, options.workerUrl);
  };

  const release = (pipeline: IngestPipeline, isFull: boolean): void => {
    busy--;
    if (pipeline.isBroken || isFull) void pipeline.close();
    else idle.push(pipeline);
    waiting.shift()?.();
    if (busy > 0 || disposal.signal.aborted) return;
    clearTimeout(idleTimer);
    idleTimer = setTimeout(() => void closeIdle(), options.idleMs ?? DEFAULT_IDLE_MS);
    idleTimer.unref();
  };

  const ingest: IngestPool["ingest"] = async (job, open, jobOptions = {}) => {
    const signal =
      jobOptions.signal === undefined
        ? disposal.signal
        : AbortSignal.any([jobOptions.signal, disposal.signal]);
    const small =
      job.partPath === undefined ? await takeSmall(job, open, { limits, signal, options: jobOptions }) : open;
    if (typeof small !== "function") return small;
    const pipeline = await acquire(signal);
    let entryCount = 0;
    try {
      const result = await pipeline.run(job, small, { ...jobOptions, signal });
      entryCount = result.entryCount;
      return result;
    } finally {
      release(pipeline, entryCount > MANY_ENTRIES);
    }
  };

  return {
    ingest: (job, open, jobOptions) => {
      const work = ingest(job, open, jobOptions);
      const settled = work.then(
        () => undefined,
        () => undefined,
      );
      atWork.add(settled);
      void settled.then(() => atWork.delete(settled));
      return work;
    },
    [Symbol.asyncDispose]: async () => {
      disposal.abort(new PlyError("cancelled", "the ingest pool was closed"));
      await Promise.all(atWork);
      await closeIdle();
    },
  };
}

/** Waits to be called from the queue; leaves it when aborted. */
function turn(queue: (() => void)[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const go = (): void => {
      signal.removeEventListener("abort", leave);
      resolve();
    };
    const leave = (): void => {
      const at = queue.indexOf(go);
      if (at >= 0) queue.splice(at, 1);
      reject(new PlyError("cancelled", "the layer's download was cancelled", { cause: signal.reason }));
    };
    if (signal.aborted) leave();
    else {
      signal.addEventListener("abort", leave, { once: true });
      queue.push(go);
    }
  });
}
