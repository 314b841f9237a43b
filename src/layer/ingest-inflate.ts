import {
  type Compression,
  createDecompressor,
  type Decompressor,
  detectCompression,
  type OutputSink,
} from "../compress/index.ts";
import { PlyError } from "../error.ts";
import type { Isal } from "../linux/index.ts";
import { exceededLimit, type IngestLimits } from "./ingest-limit.ts";
import type { SharedView } from "./ingest-shared.ts";

export interface InflateOptions {
  readonly limits: IngestLimits;
  readonly isal: Isal | undefined;
  /** Called at most once: the content is bad. The rest of the input is then passed over. */
  readonly onProblem: (error: unknown) => void;
}

/**
 * The inflating thread's work: takes the input ring to its end, and puts what it inflates to into the output
 * ring. Resolves when done or stopped.
 */
export async function inflateLayer(shared: SharedView, options: InflateOptions): Promise<Compression> {
  const { inputOfInflater: input, output } = shared;
  const sink = createRingSink(shared, options.limits);
  let compression: Compression = "none";
  let decompressor: Decompressor | undefined;
  let isBroken = false;
  const attempt = async (work: () => Promise<void> | undefined): Promise<void> => {
    try {
      const working = work();
      if (working !== undefined) await working;
    } catch (error) {
      isBroken = true;
      if (shared.isStopped) return;
      options.onProblem(error);
      output.end("broken");
    }
  };
  const start = (head: Uint8Array): Decompressor => {
    compression = detectCompression(head);
    return createDecompressor(compression, options.isal);
  };
  try {
    while (!shared.isStopped) {
      const seen = shared.bell();
      const slot = input.peek();
      if (slot !== undefined) {
        sink.addInput(slot.length);
        if (!isBroken)
          await attempt(() => {
            decompressor ??= start(slot);
            return decompressor.push(slot, sink);
          });
        input.release();
      } else if (input.end !== "open") break;
      else shared.wait(seen);
    }
    if (!isBroken && !shared.isStopped)
      await attempt(async () => {
        await decompressor?.end(sink);
        sink.flush();
        output.end("complete");
      });
  } finally {
    decompressor?.close();
  }
  return compression;
}

interface RingSink extends OutputSink {
  addInput(bytes: number): void;
  flush(): void;
}

/** Fills the slots of the output ring; waits for room, watches the limits. */
function createRingSink(shared: SharedView, limits: IngestLimits): RingSink {
  let slot: Uint8Array | undefined;
  let filled = 0;
  let inputBytes = 0;
  let outputBytes = 0;
  const flush = (): void => {
    if (filled > 0) shared.output.publish(filled);
    slot = undefined;
    filled = 0;
  };
  return {
    space: () => {
      while (slot === undefined) {
        const seen = shared.bell();
        if (shared.isStopped) throw new PlyError("cancelled", "stopped");
        slot = shared.output.slot();
        if (slot === undefined) shared.wait(seen);
      }
      return filled === 0 ? slot : slot.subarray(filled);
    },
    advance: (bytes) => {
      filled += bytes;
      outputBytes += bytes;
      if (outputBytes > limits.freeTarBytes || outputBytes > limits.maxTarBytes) {
        const problem = exceededLimit(limits, outputBytes, inputBytes);
        if (problem !== undefined) throw new PlyError("limit", problem);
      }
      if (slot !== undefined && filled === slot.length) flush();
    },
    addInput: (bytes) => {
      inputBytes += bytes;
    },
    flush,
  };
}
