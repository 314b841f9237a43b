import { parentPort, workerData } from "node:worker_threads";
import { openIsal } from "../linux/index.ts";
import { inflateLayer } from "./ingest-inflate.ts";
import { keepLayer } from "./ingest-keep.ts";
import { sendError, type WorkerJob, type WorkerMessage, type WorkerSetup } from "./ingest-message.ts";
import { viewShared } from "./ingest-shared.ts";

const { role, memory } = workerData as WorkerSetup;
const shared = viewShared(memory);
const isal = role === "inflate" ? openIsal() : undefined;

function tell(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

const onProblem = (error: unknown): void => tell({ type: "problem", error: sendError(error) });

async function inflate({ limits }: WorkerJob): Promise<void> {
  tell({ type: "inflated", compression: await inflateLayer(shared, { limits, isal, onProblem }) });
}

async function keep({ job, partSize }: WorkerJob): Promise<void> {
  try {
    const result = await keepLayer(shared, { job, partSize, onProblem });
    tell({ type: "kept", ...(result === undefined ? {} : { result }) });
  } catch (error) {
    tell({ type: "kept", failure: sendError(error) });
  }
}

parentPort?.on("message", (job: WorkerJob) => {
  // What these do not expect ends the thread, and the pool hears of that.
  void (role === "inflate" ? inflate(job) : keep(job));
});
