import { PlyError } from "../../error.ts";

/** `shared`: all at once; `private`: one each; `locked`: one after the other. */
export type Sharing = "shared" | "private" | "locked";

/** Who has which copy of a directory. */
export interface CacheHolds {
  /** A copy of `stem` that this way of sharing allows: one of `copies`, or the next number. Throws "cancelled". */
  take(
    stem: string,
    options: {
      readonly sharing: Sharing;
      /** Those that are there, in order. */
      readonly copies: () => readonly number[];
      readonly signal: AbortSignal;
    },
  ): Promise<Held & { readonly copy: number }>;
  /** This copy for oneself: undefined when somebody has it. */
  tryCopy(stem: string, copy: number): Held | undefined;
  /** As `tryCopy`, when nobody has it any more. Throws "cancelled". */
  takeCopy(stem: string, copy: number, signal: AbortSignal): Promise<Held>;
  isHeld(stem: string, copy: number): boolean;
}

interface Held {
  release(): void;
}

interface Use {
  count: number;
  isShared: boolean;
}

export function createCacheHolds(): CacheHolds {
  const uses = new Map<string, Map<number, Use>>();
  const waiting = new Set<() => void>();
  const useOf = (stem: string, copy: number): Use | undefined => uses.get(stem)?.get(copy);
  const hold = (stem: string, copy: number, isShared: boolean): Held => {
    const ofStem = uses.get(stem) ?? new Map<number, Use>();
    uses.set(stem, ofStem);
    const use = ofStem.get(copy) ?? { count: 0, isShared };
    ofStem.set(copy, use);
    use.count++;
    let isOver = false;
    return {
      release() {
        if (isOver) return;
        isOver = true;
        if (--use.count > 0) return;
        ofStem.delete(copy);
        if (ofStem.size === 0) uses.delete(stem);
        const woken = [...waiting];
        waiting.clear();
        for (const wake of woken) wake();
      },
    };
  };
  const released = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const abort = () => {
        waiting.delete(wake);
        reject(new PlyError("cancelled", "the build was cancelled"));
      };
      const wake = () => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      if (signal.aborted) return abort();
      signal.addEventListener("abort", abort, { once: true });
      waiting.add(wake);
    });
  const tryCopy = (stem: string, copy: number): Held | undefined =>
    useOf(stem, copy) === undefined ? hold(stem, copy, false) : undefined;

  return {
    async take(stem, { sharing, copies, signal }) {
      for (;;) {
        const held = [...(uses.get(stem)?.keys() ?? [])];
        const there = [...new Set([...copies(), ...held])].sort((a, b) => a - b);
        const joined =
          sharing === "shared" ? there.find((copy) => useOf(stem, copy)?.isShared === true) : undefined;
        const free = there.find((copy) => useOf(stem, copy) === undefined);
        const next = sharing === "locked" && there.length > 0 ? undefined : (there.at(-1) ?? 0) + 1;
        const copy = joined ?? free ?? next;
        if (copy !== undefined) return { copy, ...hold(stem, copy, sharing === "shared") };
        await released(signal);
      }
    },
    tryCopy,
    async takeCopy(stem, copy, signal) {
      for (;;) {
        const held = tryCopy(stem, copy);
        if (held !== undefined) return held;
        await released(signal);
      }
    },
    isHeld: (stem, copy) => useOf(stem, copy) !== undefined,
  };
}
