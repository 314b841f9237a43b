import { closeSync } from "node:fs";
import type { ExecEnd } from "./exec.ts";
import type { OutputChunk } from "./streams.ts";

/** Bytes that may wait for the reader before the process is slowed down. */
const QUEUE_LIMIT = 1024 * 1024;
/** What a process left behind in the background prints on pipes that were not closed is waited for this long. */
const QUIET_MS = 50;
/** Silences in a row: between any two the event loop has looked at the pipes, however late it is. */
const SILENCES = 5;
/** No pipe holds more (pipe-max-size): what comes beyond it after the process's end is not the process's. */
const PIPE_LIMIT = 1024 * 1024;

export interface MergedOutput {
  /** Ends when both pipes have, or the process has and all it printed was read. */
  readonly chunks: AsyncIterable<OutputChunk>;
  /** Nobody reads any more: what comes is thrown away, so that the process goes on. */
  discard(): void;
}

export interface MergeOptions {
  /** Read ends, owned from here on. */
  readonly stdout: number | undefined;
  readonly stderr: number | undefined;
  readonly ended: Promise<ExecEnd>;
  /** Asked at the first words on stderr. False: they may be the runtime's, and are dropped when the process never ran. */
  readonly isRunning: () => boolean;
}

/** Two pipes as one stream of chunks, in the order in which they are seen. */
export function mergeOutput({ stdout, stderr, ended, isRunning }: MergeOptions): MergedOutput {
  const queue: OutputChunk[] = [];
  let queued = 0;
  let discarding = false;
  /** Words on stderr that may be the runtime's; null once the process is known to have run. */
  let held: OutputChunk[] | null = [];
  let open = 0;
  let end: ExecEnd | undefined;
  let bytesSinceEnd = 0;
  let quiet: NodeJS.Timeout | undefined;
  let wakeReader: () => void = () => undefined;
  let wakePumps: (() => void)[] = [];
  let silences = 0;

  const push = (chunk: OutputChunk) => {
    if (discarding) return;
    queue.push(chunk);
    queued += chunk.bytes.length;
  };
  const over = () => open === 0 && end !== undefined;
  const readers = new Set<{ cancel(): Promise<void> }>();
  const giveUp = () => {
    for (const reader of readers) reader.cancel().catch(() => undefined);
  };
  const waitForQuiet = () => {
    if (end === undefined || open === 0) return;
    clearTimeout(quiet);
    if (bytesSinceEnd > PIPE_LIMIT || silences === SILENCES) return giveUp();
    quiet = setTimeout(() => {
      // A slow reader is no silence.
      silences = queued > QUEUE_LIMIT ? 0 : silences + 1;
      waitForQuiet();
    }, QUIET_MS);
  };

  async function pump(stream: OutputChunk["stream"], fd: number): Promise<void> {
    open += 1;
    const reader = Bun.file(fd).stream().getReader();
    readers.add(reader);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        silences = 0;
        if (end !== undefined) bytesSinceEnd += value.length;
        if (held?.length === 0 && stream === "stderr" && isRunning()) held = null;
        if (held === null || stream === "stdout") push({ stream, bytes: value });
        else held.push({ stream, bytes: value });
        wakeReader();
        waitForQuiet();
        while (queued > QUEUE_LIMIT && !discarding)
          await new Promise<void>((resolve) => wakePumps.push(resolve));
      }
    } catch {
      // A pipe that cannot be read has ended.
    } finally {
      readers.delete(reader);
      reader.releaseLock();
      closeSync(fd);
      open -= 1;
      if (open === 0) clearTimeout(quiet);
      wakeReader();
    }
  }

  if (stdout !== undefined) void pump("stdout", stdout);
  if (stderr !== undefined) void pump("stderr", stderr);
  void ended.then((how) => {
    end = how;
    if (how.failure === undefined) for (const chunk of held ?? []) push(chunk);
    held = how.failure === undefined ? null : [];
    waitForQuiet();
    wakeReader();
  });

  async function* read(): AsyncGenerator<OutputChunk> {
    for (;;) {
      const chunk = queue.shift();
      if (chunk !== undefined) {
        queued -= chunk.bytes.length;
        if (queued <= QUEUE_LIMIT) {
          for (const wake of wakePumps) wake();
          wakePumps = [];
        }
        yield chunk;
      } else if (over()) return;
      else
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
    }
  }

  return {
    chunks: read(),
    discard() {
      discarding = true;
      queue.length = 0;
      queued = 0;
      for (const wake of wakePumps) wake();
      wakePumps = [];
    },
  };
}
