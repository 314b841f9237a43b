/**
 * The memory that the three threads of one ingest share: compressed bytes on their way in, inflated bytes on
 * their way to the disk, and who is how far.
 *
 *   main thread --input--> inflating thread --output--> keeping thread
 *        \------input----------------------------------/ (hash, part file)
 *
 * Every change of a counter rings the one bell; whoever waits looks again at what it waits for.
 */
export interface SharedMemory {
  readonly control: SharedArrayBuffer;
  readonly input: SharedArrayBuffer;
  readonly output: SharedArrayBuffer;
}

/** Small enough that all of it stays in the cache of the processor, large enough for few system calls. */
export const SLOT_BYTES = 512 * 1024;
const INPUT_SLOTS = 4;
const OUTPUT_SLOTS = 6;

/** Places of the words in the control block. */
const WORD = {
  bell: 0,
  stop: 1,
  inputHead: 2,
  inflaterTail: 3,
  keeperTail: 4,
  inputEnd: 5,
  outputHead: 6,
  outputTail: 7,
  outputEnd: 8,
  inputLengths: 16,
  outputLengths: 16 + INPUT_SLOTS,
} as const;

const CONTROL_WORDS = 16 + INPUT_SLOTS + OUTPUT_SLOTS;

/** How a ring ended: not yet, with everything in it, or without (its producer failed). */
export type RingEnd = "open" | "complete" | "broken";
const ENDS: readonly RingEnd[] = ["open", "complete", "broken"];

export function allocateShared(): SharedMemory {
  return {
    control: new SharedArrayBuffer(CONTROL_WORDS * Int32Array.BYTES_PER_ELEMENT),
    input: new SharedArrayBuffer(INPUT_SLOTS * SLOT_BYTES),
    output: new SharedArrayBuffer(OUTPUT_SLOTS * SLOT_BYTES),
  };
}

/** The side of a ring that fills slots; one thread only. */
export interface RingProducer {
  /** The slot to fill next; undefined while all are full. */
  slot(): Uint8Array | undefined;
  publish(length: number): void;
  end(how: "complete" | "broken"): void;
  /** True when a consumer has nothing left to do. */
  readonly isStarved: boolean;
}

/** The side of a ring that empties slots; each consumer sees every slot. */
export interface RingConsumer {
  /** The next filled slot, valid until {@link release}; undefined while there is none. */
  peek(): Uint8Array | undefined;
  release(): void;
  /** How the ring ended; "open" as long as there is something to peek at. */
  readonly end: RingEnd;
}

export interface SharedView {
  readonly input: RingProducer;
  readonly inputOfInflater: RingConsumer;
  readonly inputOfKeeper: RingConsumer;
  readonly output: RingProducer;
  readonly outputOfKeeper: RingConsumer;
  /** Makes everything as for a new job; only while nobody else works. */
  reset(): void;
  /** Asks the workers to give up. */
  stop(): void;
  readonly isStopped: boolean;
  /** The bell's count, to be read before looking at what one waits for. */
  bell(): number;
  /** Blocks this thread until the bell was rung since `seen`. Not for the main thread. */
  wait(seen: number): void;
  /** The same without blocking. */
  waitAsync(seen: number): Promise<void>;
}

export function viewShared(memory: SharedMemory): SharedView {
  const control = new Int32Array(memory.control);
  const ring = (): void => {
    Atomics.add(control, WORD.bell, 1);
    Atomics.notify(control, WORD.bell);
  };
  const input = slotsOf(memory.input, INPUT_SLOTS);
  const output = slotsOf(memory.output, OUTPUT_SLOTS);
  const { inputHead, inflaterTail, keeperTail, inputEnd, outputHead, outputTail, outputEnd } = WORD;

  const producer = (
    slots: readonly Uint8Array[],
    head: number,
    tails: readonly number[],
    lengths: number,
    end: number,
  ): RingProducer => ({
    slot: () => {
      const at = Atomics.load(control, head);
      return tails.every((tail) => at - Atomics.load(control, tail) < slots.length)
        ? slots[at % slots.length]
        : undefined;
    },
    publish: (length) => {
      const at = Atomics.load(control, head);
      Atomics.store(control, lengths + (at % slots.length), length);
      Atomics.store(control, head, at + 1);
      ring();
    },
    end: (how) => {
      Atomics.store(control, end, ENDS.indexOf(how));
      ring();
    },
    get isStarved() {
      const at = Atomics.load(control, head);
      return tails.some((tail) => at === Atomics.load(control, tail));
    },
  });

  const consumer = (
    slots: readonly Uint8Array[],
    head: number,
    tail: number,
    lengths: number,
    end: number,
  ): RingConsumer => ({
    peek: () => {
      const at = Atomics.load(control, tail);
      if (at === Atomics.load(control, head)) return undefined;
      const index = at % slots.length;
      return slots[index]?.subarray(0, Atomics.load(control, lengths + index));
    },
    release: () => {
      Atomics.add(control, tail, 1);
      ring();
    },
    get end() {
      // The end is set after the last slot: read it first, so that no slot is missed.
      const how = ENDS[Atomics.load(control, end)] ?? "open";
      return Atomics.load(control, tail) === Atomics.load(control, head) ? how : "open";
    },
  });

  return {
    input: producer(input, inputHead, [inflaterTail, keeperTail], WORD.inputLengths, inputEnd),
    inputOfInflater: consumer(input, inputHead, inflaterTail, WORD.inputLengths, inputEnd),
    inputOfKeeper: consumer(input, inputHead, keeperTail, WORD.inputLengths, inputEnd),
    output: producer(output, outputHead, [outputTail], WORD.outputLengths, outputEnd),
    outputOfKeeper: consumer(output, outputHead, outputTail, WORD.outputLengths, outputEnd),
    reset: () => {
      for (let word = WORD.stop; word < CONTROL_WORDS; word++) Atomics.store(control, word, 0);
    },
    stop: () => {
      Atomics.store(control, WORD.stop, 1);
      ring();
    },
    get isStopped() {
      return Atomics.load(control, WORD.stop) !== 0;
    },
    bell: () => Atomics.load(control, WORD.bell),
    wait: (seen) => void Atomics.wait(control, WORD.bell, seen),
    waitAsync: async (seen) => {
      const result = Atomics.waitAsync(control, WORD.bell, seen);
      if (result.async) await result.value;
    },
  };
}

function slotsOf(memory: SharedArrayBuffer, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => new Uint8Array(memory, i * SLOT_BYTES, SLOT_BYTES));
}
