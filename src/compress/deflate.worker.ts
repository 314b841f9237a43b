import { parentPort, workerData } from "node:worker_threads";
import { openIsalDeflater } from "../linux/index.ts";
import { type DeflateTask, type SharedSlot, viewSlot } from "./deflate-slot.ts";

const slots = (workerData as readonly SharedSlot[]).map(viewSlot);
const deflater = openIsalDeflater();

parentPort?.on("message", ({ slot, dictionaryLength, inputLength, level }: DeflateTask) => {
  const memory = slots[slot];
  // What this throws ends the thread, and the pool hears of that.
  if (deflater === undefined || memory === undefined) throw new Error("ISA-L cannot be used");
  const dictionary = memory.dictionary.subarray(0, dictionaryLength);
  const input = memory.input.subarray(0, inputLength);
  parentPort?.postMessage({ slot, length: deflater.deflate({ input, dictionary, level }, memory.output) });
});
