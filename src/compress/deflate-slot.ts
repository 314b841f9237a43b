import { type IsalLevel, isalBound } from "../linux/index.ts";
import { BLOCK_BYTES, WINDOW_BYTES } from "./deflater.ts";

/** Memory for one block on its way through a deflating thread. */
export type SharedSlot = Readonly<Record<keyof SlotView, SharedArrayBuffer>>;

export interface SlotView {
  readonly dictionary: Uint8Array;
  readonly input: Uint8Array;
  readonly output: Uint8Array;
}

/** What a thread is told; it answers with a {@link DeflateAnswer}. */
export interface DeflateTask {
  /** Which of the thread's slots. */
  readonly slot: number;
  readonly dictionaryLength: number;
  readonly inputLength: number;
  readonly level: IsalLevel;
}

export interface DeflateAnswer {
  readonly slot: number;
  /** Of the output. */
  readonly length: number;
}

export function allocateSlot(): SharedSlot {
  return {
    dictionary: new SharedArrayBuffer(WINDOW_BYTES),
    input: new SharedArrayBuffer(BLOCK_BYTES),
    output: new SharedArrayBuffer(isalBound(BLOCK_BYTES)),
  };
}

export function viewSlot({ dictionary, input, output }: SharedSlot): SlotView {
  return {
    dictionary: new Uint8Array(dictionary),
    input: new Uint8Array(input),
    output: new Uint8Array(output),
  };
}
