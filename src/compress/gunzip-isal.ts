import { PlyError } from "../error.ts";
import type { Isal } from "../linux/index.ts";
import type { Decompressor } from "./decompressor.ts";

/** Gunzip by ISA-L: several members (RFC 1952, 2.2), zeros after the last one are padding. */
export function createIsalGunzip(isal: Isal): Decompressor {
  const inflater = isal.createInflater();
  let consumed = 0;
  let members = 0;
  /** "member": within one; "between": at the start of one or of the padding; "padding": only zeros may come. */
  let state: "between" | "member" | "padding" = "between";

  const corrupt = (what: string): PlyError =>
    new PlyError("corrupt", `gzip: ${what} (near byte ${consumed})`, { details: { offset: consumed } });

  return {
    push: (input, sink) => {
      let at = 0;
      for (;;) {
        if (state !== "member") {
          if (at === input.length) return undefined;
          if (members > 0 && input[at] === 0) state = "padding";
          if (state === "padding") {
            for (; at < input.length; at++, consumed++)
              if (input[at] !== 0) throw corrupt("there is something behind the end");
            return undefined;
          }
          state = "member";
        }
        const space = sink.space();
        const step = inflater.inflate(at === 0 ? input : input.subarray(at), space);
        const { produced, problem, isFinished } = step;
        at += step.consumed;
        consumed += step.consumed;
        if (problem !== undefined)
          throw corrupt(
            members > 0 && problem === "not a gzip header" ? "there is something behind the end" : problem,
          );
        if (produced > 0) sink.advance(produced);
        if (isFinished) {
          members++;
          inflater.reset();
          state = "between";
        } else if (at === input.length && produced < space.length) return undefined;
      }
    },
    end: () => {
      if (state === "member" || members === 0) throw corrupt("the stream ends too early");
      return undefined;
    },
    close: () => undefined,
  };
}
