import { createHash } from "node:crypto";
import type { Journal } from "./journal.ts";

/** One thing that a build does, as clients show it. */
export interface Work {
  readonly digest: string;
  /** Something within it that is counted, by what it is called; `total` 0: nobody knows. */
  status(
    id: string,
    count?: { readonly current: number; readonly total?: number; readonly isDone?: boolean },
  ): void;
  log(stream: "stdout" | "stderr", bytes: Uint8Array): void;
  /** Once; later calls of this and of `fail` say nothing. */
  done(how?: { readonly isCached?: boolean }): void;
  fail(message: string): void;
}

export interface Works {
  /** Begins something; `inputs`: digests of what it follows from. */
  begin(name: string, inputs?: readonly string[]): Work;
  readonly journal: Journal;
  /** Ends all that has begun: clients wait for no more of it. */
  failAll(message: string): void;
  /** Numbers of things that ended, for the record of the build. */
  readonly counts: { readonly total: number; readonly completed: number; readonly cached: number };
}

/** What clients recognize as "cancelled". */
export const CANCELLED = "context canceled";

/** What tells two times apart. */
const TICK_MS = 0.001;

/** Tells the things a build does to its journal. `ref`: the build's id, which their digests are made of. */
export function createWorks(ref: string, journal: Journal, clock: () => number): Works {
  // Clients order what is told by its times: no two are the same.
  let lastMs = 0;
  const now = () => {
    lastMs = Math.max(clock(), lastMs + TICK_MS);
    return timeOf(lastMs);
  };
  const open = new Set<Work>();
  const counts = { total: 0, completed: 0, cached: 0 };
  return {
    journal,
    counts,
    begin(name, inputs = []) {
      counts.total++;
      const digest = `sha256:${createHash("sha256").update(`${ref}\n${counts.total}\n${name}`).digest("hex")}`;
      const started = now();
      const statuses = new Map<string, ReturnType<typeof timeOf>>();
      const vertex = { digest, inputs, name, started };
      const finish = (more: { readonly cached?: boolean; readonly error?: string }): void => {
        if (!open.delete(work)) return;
        if (more.error === undefined) counts.completed++;
        if (more.cached === true) counts.cached++;
        journal.add({ vertex: { ...vertex, completed: now(), ...more } });
      };
      const work: Work = {
        digest,
        status(id, { current, total = 0, isDone = false } = { current: 0, isDone: true }) {
          const at = now();
          const begun = statuses.get(id) ?? at;
          statuses.set(id, begun);
          journal.add({
            status: {
              id,
              vertex: digest,
              current,
              total,
              timestamp: at,
              started: begun,
              ...(isDone ? { completed: at } : {}),
            },
          });
        },
        log(stream, bytes) {
          journal.add({
            log: { vertex: digest, timestamp: now(), stream: stream === "stdout" ? 1 : 2, bytes },
          });
        },
        done: ({ isCached = false } = {}) => finish({ cached: isCached }),
        fail: (error) => finish({ error }),
      };
      open.add(work);
      journal.add({ vertex });
      return work;
    },
    failAll(message) {
      for (const work of open) work.fail(message);
    },
  };
}

/** Passes bytes on, and tells how many there were so far. */
export async function* counted(
  work: Work,
  id: string,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  let current = 0;
  for await (const chunk of content) {
    yield chunk;
    current += chunk.length;
    work.status(id, { current });
  }
  work.status(id, { current, isDone: true });
}

/** Milliseconds since 1970 as a timestamp. */
export function timeOf(ms: number): { readonly seconds: number; readonly nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}
