import { parentPort, workerData } from "node:worker_threads";
import { isPlyError, messageOf } from "../error.ts";
import { type ChainJob, type ChainOutcome, writeChainFile } from "./erofs-image.ts";

// A thread of its own for large images: merging 50,000 entries takes long enough to hold up the API.
const { stack, path } = workerData as ChainJob;

function outcomeOf(error: unknown): ChainOutcome {
  return isPlyError(error)
    ? { ok: false, kind: error.kind, message: error.message, hint: error.hint }
    : { ok: false, kind: "internal", message: messageOf(error), hint: undefined };
}

// Not awaited here: `bun build --bytecode` has no await at the top of a module.
writeChainFile(stack, path).then(
  () => parentPort?.postMessage({ ok: true } satisfies ChainOutcome),
  (error: unknown) => parentPort?.postMessage(outcomeOf(error)),
);
