/** Where a decompressor puts its output: it fills {@link space} from its start and says how far it came. */
export interface OutputSink {
  /** Room for output, never empty; may be another place after each {@link advance}. May block, may throw. */
  space(): Uint8Array;
  /** `bytes` (1 or more) of the last space are filled. May throw, which ends the decompression. */
  advance(bytes: number): void;
  /** A promise while no more output is wanted; asked by decompressors that can wait (those that work in a thread). */
  pause?(): Promise<void> | undefined;
}

/**
 * Inflates one stream as it is pushed: at once where it can (ISA-L, none), else the promise resolves
 * when the input may be used again. One call at a time; after a throw only {@link close} is left.
 * Throws "corrupt" naming the compressed byte where it was noticed, and whatever the sink throws.
 */
export interface Decompressor {
  push(input: Uint8Array, sink: OutputSink): undefined | Promise<void>;
  /** Says that no more comes. Throws "corrupt" when that is too early. */
  end(sink: OutputSink): undefined | Promise<void>;
  /** Frees what it holds; idempotent. */
  close(): void;
}

/** Copies `bytes` into the sink. */
export function putAll(bytes: Uint8Array, sink: OutputSink): void {
  for (let at = 0; at < bytes.length; ) {
    const space = sink.space();
    const step = Math.min(space.length, bytes.length - at);
    space.set(at === 0 && step === bytes.length ? bytes : bytes.subarray(at, at + step));
    at += step;
    sink.advance(step);
  }
}
