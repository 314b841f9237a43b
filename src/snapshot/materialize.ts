import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { PlyError, throwIfAborted } from "../error.ts";
import type { LayerStack } from "../store/index.ts";
import { workerUrl } from "../worker-url.ts";
import { type ChainJob, type ChainOutcome, chainPath, writeChainFile } from "./erofs-image.ts";

/**
 * Index bytes of a stack (some 20 per entry) from which the merge has a thread of its own: below, starting one would
 * take longer than the merge, which then holds others up for some tens of milliseconds.
 */
const THREAD_FROM_BYTES = 384 * 1024;

/** Writes the merged EROFS image of a stack, unless it is there. Other work goes on meanwhile. */
export async function writeChain(root: string, stack: LayerStack, signal?: AbortSignal): Promise<void> {
  const path = chainPath(root, stack.chainId);
  if (existsSync(path)) return;
  throwIfAborted(signal);
  for (const directory of ["chains", "ingest"])
    mkdirSync(join(root, directory), { recursive: true, mode: 0o700 });
  const temporary = join(root, "ingest", `${randomUUID()}.chain`);
  try {
    const isLarge = (await indexBytes(stack)) >= THREAD_FROM_BYTES;
    await (isLarge ? inThread({ stack, path: temporary }, signal) : writeChainFile(stack, temporary, signal));
    await rename(temporary, path);
    await using directory = await open(join(root, "chains"), "r");
    await directory.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function indexBytes(stack: LayerStack): Promise<number> {
  let sum = 0;
  // A missing one is reported when it is read.
  for (const layer of stack.layers)
    sum += await stat(join(layer.dir, "index")).then(
      ({ size }) => size,
      () => 0,
    );
  return sum;
}

async function inThread(job: ChainJob, signal: AbortSignal | undefined): Promise<void> {
  const worker = new Worker(workerUrl("snapshot/materialize.worker.ts"), { workerData: job });
  const onAbort = () => void worker.terminate();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const outcome = await new Promise<ChainOutcome>((resolve, reject) => {
      worker.on("message", resolve);
      worker.on("error", reject);
      worker.on("exit", (code) =>
        reject(new PlyError("internal", `the thread that merges layers ended with code ${code}`)),
      );
    });
    if (!outcome.ok)
      throw new PlyError(
        outcome.kind,
        outcome.message,
        outcome.hint === undefined ? {} : { hint: outcome.hint },
      );
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    await worker.terminate();
  }
}
