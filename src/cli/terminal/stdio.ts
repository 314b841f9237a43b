import { ExitError } from "../failure.ts";
import type { Terminals } from "./tty.ts";

/** The process's edge as commands see it; tests give one of their own. */
export interface Stdio {
  /** Makes ready for output: something to do while an answer is awaited. */
  prepare(): void;
  /** Writes at once, all of it. */
  out(text: string): void;
  err(text: string): void;
  /** For streams: resolves when the bytes were taken, so that a slow reader slows us and nothing else stops. */
  writeBytes(stream: "stdout" | "stderr", bytes: Uint8Array): Promise<void>;
  isTerminal(stream: StreamName): boolean;
  /** Of the terminal on stdout, or where that is none, on the given stream. */
  size(stream?: StreamName): { readonly columns: number; readonly rows: number } | undefined;
  /** Standard input to its end. */
  input(): AsyncIterable<Uint8Array>;
  /** One line of standard input without its end; undefined at the end of input. */
  readLine(options?: { readonly hidden?: boolean }): Promise<string | undefined>;
  /** Raw keys from standard input; returns what undoes it. */
  rawInput(): () => void;
  /** Returns what takes the handler off again. */
  onSignal(signals: readonly NodeJS.Signals[], handler: (signal: NodeJS.Signals) => void): () => void;
}

export type StreamName = "stdin" | "stdout" | "stderr";

const FD: Readonly<Record<StreamName, number>> = { stdin: 0, stdout: 1, stderr: 2 };
/** While a pipe is full (its other side made it non-blocking), look again after this long. */
const FULL_PIPE_WAIT_MS = 2;
/** What a shell reports for a process that SIGPIPE ended. */
const BROKEN_PIPE_CODE = 141;
const MAX_LINE_BYTES = 64 * 1024;

/** The real standard streams. `terminals` is opened when somebody first asks about one. */
export function createStdio(openTerminals: () => Terminals): Stdio {
  let opened: Terminals | undefined;
  const terminals = (): Terminals => {
    opened ??= openTerminals();
    return opened;
  };
  // One reader for the whole process: a line read here and the rest of the input there must not lose bytes.
  let reader: AsyncIterator<Uint8Array> | undefined;
  let leftover: Uint8Array = new Uint8Array(0);
  const nextInput = async (): Promise<Uint8Array | undefined> => {
    if (leftover.length > 0) {
      const bytes = leftover;
      leftover = new Uint8Array(0);
      return bytes;
    }
    reader ??= Bun.stdin.stream()[Symbol.asyncIterator]();
    const next = await reader.next();
    return next.done === true ? undefined : next.value;
  };

  return {
    prepare: () => void files(),
    out: (text) => writeAllSync(1, text),
    err: (text) => writeAllSync(2, text),
    writeBytes: (stream, bytes) => writeAll(FD[stream], bytes),
    isTerminal: (stream) => terminals().isTerminal(FD[stream]),
    size: (stream) =>
      terminals().sizeOf(1) ?? (stream === undefined ? undefined : terminals().sizeOf(FD[stream])),
    async *input() {
      for (let bytes = await nextInput(); bytes !== undefined; bytes = await nextInput()) yield bytes;
    },
    async readLine(options = {}) {
      const restore = options.hidden === true ? terminals().hideInput(0) : () => {};
      // Ctrl-C at a password prompt must not leave the terminal without echo.
      const onInterrupt = (): void => {
        restore();
        writeAllSync(2, "\n");
        process.exit(130);
      };
      if (options.hidden === true) process.once("SIGINT", onInterrupt);
      try {
        let line = Buffer.alloc(0);
        for (;;) {
          const bytes = await nextInput();
          if (bytes === undefined) return line.length === 0 ? undefined : line.toString("utf8");
          const newline = bytes.indexOf(0x0a);
          line = Buffer.concat([line, newline < 0 ? bytes : bytes.subarray(0, newline)]);
          if (line.length > MAX_LINE_BYTES)
            throw new ExitError(1, `the line is longer than ${MAX_LINE_BYTES} bytes`);
          if (newline < 0) continue;
          leftover = bytes.subarray(newline + 1);
          return line.toString("utf8").replace(/\r$/, "");
        }
      } finally {
        restore();
        process.off("SIGINT", onInterrupt);
      }
    },
    rawInput: () => terminals().makeRaw(0),
    onSignal(signals, handler) {
      const handlers = signals.map((signal) => [signal, () => handler(signal)] as const);
      for (const [signal, call] of handlers) process.on(signal, call);
      return () => {
        for (const [signal, call] of handlers) process.off(signal, call);
      };
    },
  };
}

/** Loaded by the first output: it is a millisecond of a command's start, and some print nothing. */
const files = () => process.getBuiltinModule("node:fs");

function writeAllSync(fd: number, text: string): void {
  let rest: Uint8Array = Buffer.from(text);
  while (rest.length > 0)
    try {
      rest = rest.subarray(files().writeSync(fd, rest));
    } catch (error) {
      if (!isFull(error)) throw writeFailure(error);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_WAIT_MS);
    }
}

async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0; )
    try {
      rest = rest.subarray(await writeOnce(fd, rest));
    } catch (error) {
      if (!isFull(error)) throw writeFailure(error);
      await new Promise((resolve) => setTimeout(resolve, FULL_PIPE_WAIT_MS));
    }
}

function writeOnce(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    files().write(fd, bytes, 0, bytes.length, null, (error, written) =>
      error ? reject(error) : resolve(written),
    );
  });
}

function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}

/** A reader that has gone (`ply images | head -1`) is no error worth words. */
function writeFailure(error: unknown): unknown {
  return error instanceof Error && "code" in error && error.code === "EPIPE"
    ? new ExitError(BROKEN_PIPE_CODE)
    : error;
}
