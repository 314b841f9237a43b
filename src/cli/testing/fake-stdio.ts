import type { Stdio, StreamName } from "../terminal/index.ts";

export interface FakeStdioOptions {
  /** Which streams are terminals. */
  readonly terminals?: readonly StreamName[];
  readonly size?: { readonly columns: number; readonly rows: number };
  /** What stdin holds. */
  readonly input?: readonly string[];
  /** Keeps stdin open after that. */
  readonly inputStaysOpen?: boolean;
}

/** Streams in memory. */
export interface FakeStdio extends Stdio {
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** As if the process got it. */
  signal(name: NodeJS.Signals): void;
  readonly raw: () => boolean;
  readonly listenedTo: () => readonly NodeJS.Signals[];
}

export function fakeStdio(options: FakeStdioOptions = {}): FakeStdio {
  const written: { stdout: string[]; stderr: string[] } = { stdout: [], stderr: [] };
  const handlers = new Set<readonly [NodeJS.Signals, (signal: NodeJS.Signals) => void]>();
  const input = [...(options.input ?? [])];
  let raw = false;
  return {
    prepare: () => undefined,
    out: (text) => void written.stdout.push(text),
    err: (text) => void written.stderr.push(text),
    writeBytes: async (stream, bytes) => void written[stream].push(Buffer.from(bytes).toString("utf8")),
    isTerminal: (stream) => options.terminals?.includes(stream) === true,
    size: () => options.size,
    async *input() {
      for (let text = input.shift(); text !== undefined; text = input.shift()) yield Buffer.from(text);
      if (options.inputStaysOpen === true) await new Promise(() => {});
    },
    readLine: async () => {
      const line = input.shift();
      return line?.replace(/\n$/, "");
    },
    rawInput: () => {
      raw = true;
      return () => {
        raw = false;
      };
    },
    onSignal(signals, handler) {
      const added = signals.map((signal) => [signal, handler] as const);
      for (const each of added) handlers.add(each);
      return () => {
        for (const each of added) handlers.delete(each);
      };
    },
    stdout: () => written.stdout.join(""),
    stderr: () => written.stderr.join(""),
    signal(name) {
      for (const [signal, handler] of [...handlers]) if (signal === name) handler(name);
    },
    raw: () => raw,
    listenedTo: () => [...handlers].map(([signal]) => signal),
  };
}
