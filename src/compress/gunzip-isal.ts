import { PlyError } from "../error.ts";
import type { Isal } from "../linux/index.ts";
import type { Decompressor, OutputSink } from "./decompressor.ts";
import { createGzipHeaderReader, type GzipHeaderReader } from "./gzip-header.ts";

/** Where in the stream the next byte is; in the padding behind the last member only zeros may come. */
type State = "start" | "header" | "data" | "padding";

/** Gunzip by ISA-L: several members (RFC 1952, 2.2), zeros after the last one are padding. */
export function createIsalGunzip(isal: Isal): Decompressor {
  const inflater = isal.createInflater();
  let consumed = 0;
  let members = 0;
  let state: State = "start";
  let header: GzipHeaderReader = createGzipHeaderReader();

  const corrupt = (what: string): PlyError =>
    new PlyError("corrupt", `gzip: ${what} (near byte ${consumed})`, { details: { offset: consumed } });

  /** Reads a header or padding from `at`; returns where the data go on. */
  const readBetween = (input: Uint8Array, from: number): number => {
    let at = from;
    if (state === "start" && at < input.length) {
      state = members > 0 && input[at] === 0 ? "padding" : "header";
      header = createGzipHeaderReader();
    }
    if (state === "header") {
      at = header.read(input, at);
      if (header.isDone) state = "data";
    }
    if (state === "padding") while (at < input.length && input[at] === 0) at++;
    consumed += at - from;
    if (header.problem !== undefined && members === 0) throw corrupt(header.problem);
    if (header.problem !== undefined || (state === "padding" && at < input.length))
      throw corrupt("there is something behind the end");
    return at;
  };

  const inflateFrom = (input: Uint8Array, from: number, sink: OutputSink): number => {
    let at = from;
    for (;;) {
      const space = sink.space();
      const step = inflater.inflate(at === 0 ? input : input.subarray(at), space);
      const { produced, problem, isFinished } = step;
      at += step.consumed;
      consumed += step.consumed;
      if (problem !== undefined) throw corrupt(problem);
      if (produced > 0) sink.advance(produced);
      if (isFinished) {
        members++;
        inflater.reset();
        state = "start";
        return at;
      }
      if (at === input.length && produced < space.length) return at;
    }
  };

  return {
    push: (input, sink) => {
      let at = 0;
      while (at < input.length) at = state === "data" ? inflateFrom(input, at, sink) : readBetween(input, at);
      return undefined;
    },
    end: () => {
      if (state === "header" || state === "data" || members === 0) throw corrupt("the stream ends too early");
      return undefined;
    },
    close: () => undefined,
  };
}
