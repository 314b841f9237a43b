import { rm, stat } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { isPlyError, messageOf, PlyError } from "../error.ts";
import { workerUrl } from "../worker-url.ts";
import type { IngestJob, IngestOptions, IngestResult, OpenStream } from "./ingest.ts";
import { feedLayer } from "./ingest-feed.ts";
import type { IngestLimits } from "./ingest-limit.ts";
import {
  type KeptLayer,
  receiveError,
  type WorkerJob,
  type WorkerMessage,
  type WorkerSetup,
} from "./ingest-message.ts";
import { allocateShared, viewShared } from "./ingest-shared.ts";

/** Two threads, one that inflates and one that keeps, and the memory between them; one layer at a time. */
export interface IngestPipeline {
  /** As {@link IngestPool.ingest} promises. One call at a time. */
  run(job: IngestJob, open: OpenStream, options: IngestOptions): Promise<IngestResult>;
  /** A thread has died: of no more use. */
  readonly isBroken: boolean;
  /** Ends the threads. */
  close(): Promise<void>;
}

type Role = WorkerSetup["role"];

/** What the threads said of the layer at work. */
interface Outcome {
  compression?: IngestResult["compression"];
  kept?: KeptLayer;
  failure?: PlyError;
  problem?: PlyError;
}

/** What a thread that speaks calls. */
interface Listener {
  onMessage(message: WorkerMessage): void;
  onCrash(role: Role, error: PlyError): void;
}

const NAME: Readonly<Record<Role, string>> = { inflate: "inflates", keep: "keeps" };

export function createIngestPipeline(
  limits: IngestLimits,
  moduleUrl: URL = workerUrl("layer/ingest.worker.ts"),
): IngestPipeline {
  const memory = allocateShared();
  const shared = viewShared(memory);
  let listener: Listener | undefined;
  /** Why threads have died, one error for each. */
  const crashes = new Map<Role, PlyError>();
  let isClosed = false;

  const start = (role: Role): Worker => {
    const worker = new Worker(moduleUrl, { workerData: { role, memory } satisfies WorkerSetup });
    const onEnd = (why: string, cause?: unknown): void => {
      if (isClosed || crashes.has(role)) return;
      const crash = new PlyError("internal", `the thread that ${NAME[role]} layers died: ${why}`, { cause });
      crashes.set(role, crash);
      listener?.onCrash(role, crash);
    };
    worker.on("message", (message: WorkerMessage) => listener?.onMessage(message));
    worker.on("error", (error: unknown) => onEnd(messageOf(error), error));
    worker.on("exit", (code) => onEnd(`exit code ${code}`));
    return worker;
  };
  const workers = [start("inflate"), start("keep")];

  const take = async (
    job: IngestJob,
    partSize: number,
    open: OpenStream,
    options: IngestOptions,
  ): Promise<IngestResult> => {
    shared.reset();
    const controller = new AbortController();
    const { signal } = controller;
    let stopReason: unknown;
    let isFed = false;
    const stop = (reason: unknown): void => {
      stopReason ??= reason;
      controller.abort(reason);
      // What came so far must be in the ring first: the keeping thread saves it.
      if (isFed) shared.stop();
    };
    const onAbort = (): void => stop(cancelled(options.signal));
    const listening = listen(job, stop);
    listener = listening;
    for (const [role, error] of crashes) listener.onCrash(role, error);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (options.signal?.aborted === true) onAbort();
      for (const worker of workers) worker.postMessage({ job, partSize, limits } satisfies WorkerJob);
      await feedLayer(shared, { job, partSize, open, signal, onProgress: options.onProgress }).catch(stop);
      isFed = true;
      if (signal.aborted) shared.stop();
      else options.onVerifying?.();
      return resultOf(await listening.finished, stopReason);
    } finally {
      options.signal?.removeEventListener("abort", onAbort);
      listener = undefined;
    }
  };

  const run = async (job: IngestJob, open: OpenStream, options: IngestOptions): Promise<IngestResult> => {
    for (;;) {
      const partSize = await usablePartSize(job);
      try {
        return await take(job, partSize, open, options);
      } catch (error) {
        await Promise.all([job.tarPath, job.indexPath].map((path) => rm(path, { force: true })));
        if (isContentBad(error) && job.partPath !== undefined) {
          await rm(job.partPath, { force: true });
          // The part may be what is bad (a power cut): once more, from the start.
          if (partSize > 0 && isPlyError(error, "corrupt")) continue;
        }
        throw error;
      }
    }
  };

  return {
    run: async (job, open, options) => {
      for (const worker of workers) worker.ref();
      try {
        return await run(job, open, options);
      } finally {
        for (const worker of workers) worker.unref();
      }
    },
    get isBroken() {
      return crashes.size > 0;
    },
    close: async () => {
      isClosed = true;
      shared.stop();
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/** Gathers what the threads say of a layer until each is done or dead. `stop` is told what makes going on vain. */
function listen(
  job: IngestJob,
  stop: (reason: unknown) => void,
): Listener & { readonly finished: Promise<Outcome> } {
  const outcome: Outcome = {};
  const running = new Set<Role>(["inflate", "keep"]);
  const { promise: finished, resolve } = Promise.withResolvers<Outcome>();
  const leave = (role: Role): void => {
    running.delete(role);
    if (running.size === 0) resolve(outcome);
  };
  return {
    finished,
    onMessage: (message) => {
      switch (message.type) {
        case "problem":
          outcome.problem ??= receiveError(message.error);
          // Without a digest to compare there is nothing more to learn from the rest.
          if (job.digest === undefined || message.error.kind === "limit") stop(outcome.problem);
          return;
        case "inflated":
          outcome.compression = message.compression;
          leave("inflate");
          return;
        case "kept":
          if (message.result !== undefined) outcome.kept = message.result;
          if (message.failure !== undefined) {
            outcome.failure = receiveError(message.failure);
            stop(outcome.failure);
          }
          leave("keep");
      }
    },
    // The other thread is waited for: its files are to be closed before they are removed.
    onCrash: (role, error) => {
      stop(error);
      leave(role);
    },
  };
}

function cancelled(signal: AbortSignal | undefined): PlyError {
  return new PlyError("cancelled", "the layer's download was cancelled", { cause: signal?.reason });
}

/** Bytes of the part to begin with; a part that cannot be one is removed. */
async function usablePartSize(job: IngestJob): Promise<number> {
  if (job.partPath === undefined) return 0;
  const found = await stat(job.partPath).catch(() => undefined);
  if (found === undefined) return 0;
  if (job.size === undefined || found.size <= job.size) return found.size;
  await rm(job.partPath, { force: true });
  return 0;
}

function resultOf(outcome: Outcome, stopReason: unknown): IngestResult {
  // A wrong digest explains whatever else is wrong.
  if (outcome.failure !== undefined) throw outcome.failure;
  // A cancelled download says so; after another end, what was found in the content matters more.
  if (stopReason !== undefined && (outcome.problem === undefined || isPlyError(stopReason, "cancelled")))
    throw stopReason;
  if (outcome.problem !== undefined) throw outcome.problem;
  if (outcome.kept === undefined || outcome.compression === undefined)
    throw new PlyError("internal", "the layer was neither kept nor refused");
  return { ...outcome.kept, compression: outcome.compression };
}

/** Whether the bytes so far are bad, so that going on from them makes no sense. */
function isContentBad(error: unknown): boolean {
  if (!isPlyError(error)) return false;
  if (error.kind === "limit") return !("code" in error.details);
  return error.kind === "corrupt" || error.kind === "invalid" || error.kind === "unsupported";
}
