import { Worker } from "node:worker_threads";
import { messageOf, PlyError } from "../error.ts";
import type { IsalBlock } from "../linux/index.ts";
import {
  allocateSlot,
  type DeflateAnswer,
  type DeflateTask,
  type SharedSlot,
  viewSlot,
} from "./deflate-slot.ts";

/** One block at work, and one that is there when it is done. */
const SLOTS = 2;

/** A thread that deflates blocks in its turn. */
export interface DeflateThread {
  readonly freeSlots: number;
  readonly isDead: boolean;
  /** Only while a slot is free. Rejects with "internal" when the thread dies. */
  deflate(block: IsalBlock): Promise<Uint8Array>;
  /** Ends it; what is under way is rejected. */
  end(): Promise<void>;
}

interface Slot {
  readonly shared: SharedSlot;
  waiting: PromiseWithResolvers<Uint8Array> | undefined;
}

export function startDeflateThread(url: URL): DeflateThread {
  const slots = Array.from({ length: SLOTS }, (): Slot => ({ shared: allocateSlot(), waiting: undefined }));
  const views = slots.map(({ shared }) => viewSlot(shared));
  const worker = new Worker(url, { workerData: slots.map(({ shared }) => shared) });
  let isDead = false;
  const fail = (error: PlyError): void => {
    isDead = true;
    for (const slot of slots) slot.waiting?.reject(error);
  };
  const onEnd = (why: string, cause?: unknown): void => {
    if (!isDead) fail(new PlyError("internal", `the thread that compresses died: ${why}`, { cause }));
  };
  worker.on("error", (error: unknown) => onEnd(messageOf(error), error));
  worker.on("exit", (code) => onEnd(`exit code ${code}`));
  worker.on("message", ({ slot: index, length }: DeflateAnswer) => {
    // Copied: the slot is used again.
    slots[index]?.waiting?.resolve(views[index]?.output.slice(0, length) ?? new Uint8Array(0));
  });
  const freeSlots = (): number => slots.filter(({ waiting }) => waiting === undefined).length;
  worker.unref();
  return {
    get freeSlots() {
      return isDead ? 0 : freeSlots();
    },
    get isDead() {
      return isDead;
    },
    deflate: async ({ input, dictionary, level }) => {
      const index = slots.findIndex(({ waiting }) => waiting === undefined);
      const slot = slots[index];
      const view = views[index];
      if (slot === undefined || view === undefined || isDead)
        throw new PlyError("internal", "a thread that compresses was given too much");
      const waiting = Promise.withResolvers<Uint8Array>();
      slot.waiting = waiting;
      view.dictionary.set(dictionary);
      view.input.set(input);
      worker.ref();
      const task = { slot: index, dictionaryLength: dictionary.length, inputLength: input.length, level };
      worker.postMessage(task satisfies DeflateTask);
      try {
        return await waiting.promise;
      } finally {
        slot.waiting = undefined;
        if (freeSlots() === SLOTS) worker.unref();
      }
    },
    end: async () => {
      fail(new PlyError("cancelled", "the compression was cancelled"));
      await worker.terminate();
    },
  };
}
