import { join } from "node:path";
import { PlyError } from "../error.ts";

/** The directories of `RUN --mount=type=cache`, which outlive builds. */
export interface CacheMounts {
  /** A directory of a cache for one RUN; it may not be there yet. Waits while another has it locked. */
  hold(
    name: string,
    options: { readonly sharing: "shared" | "private" | "locked" },
    signal: AbortSignal,
  ): Promise<{ readonly directory: string; release(): void }>;
}

interface Use {
  count: number;
  readonly waiting: (() => void)[];
}

/** `directory`: where they all lie. */
export function openCacheMounts(directory: string): CacheMounts {
  const uses = new Map<string, Use>();
  const useOf = (name: string): Use => {
    const known = uses.get(name);
    if (known !== undefined) return known;
    const use: Use = { count: 0, waiting: [] };
    uses.set(name, use);
    return use;
  };
  const take = (name: string): { readonly directory: string; release(): void } => {
    const use = useOf(name);
    use.count++;
    return {
      directory: join(directory, name),
      release() {
        use.count--;
        if (use.count === 0) for (const wake of use.waiting.splice(0)) wake();
      },
    };
  };
  return {
    async hold(name, { sharing }, signal) {
      if (sharing === "shared") return take(name);
      if (sharing === "private") {
        let own = name;
        for (let n = 2; (uses.get(own)?.count ?? 0) > 0; n++) own = `${name}.${n}`;
        return take(own);
      }
      while (useOf(name).count > 0) await released(useOf(name), signal);
      return take(name);
    },
  };
}

function released(use: Use, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new PlyError("cancelled", "the build was cancelled"));
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    use.waiting.push(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    });
  });
}
