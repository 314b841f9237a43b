import { spawn } from "node:child_process";
import { exited, must, until } from "./process.ts";

/** A program on a terminal of its own (by `script`), typed into and read as a person would. */
export interface Terminal extends AsyncDisposable {
  type(keys: string): void;
  /** Waits until what was printed since the last call matches; returns the match. */
  sees(what: RegExp): Promise<RegExpExecArray>;
  /** As somebody who pulls at the window's corner does. */
  resize(size: { readonly rows: number; readonly columns: number }): Promise<void>;
  /** A signal to the program itself. */
  kill(signal: NodeJS.Signals): void;
  /** The exit code, once it has ended. */
  ended(): Promise<number | null>;
}

export async function openTerminal(
  command: readonly string[],
  options: {
    readonly env: Readonly<Record<string, string>>;
    readonly rows: number;
    readonly columns: number;
  },
): Promise<Terminal> {
  const { rows, columns } = options;
  const words = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const line = `stty rows ${rows} cols ${columns}; echo at $$ $(tty) now; exec ${words}`;
  const child = spawn("script", ["-qec", line, "/dev/null"], {
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let printed = "";
  let seen = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk.toString("latin1");
  });
  child.stdin.on("error", () => {});
  const sees = async (what: RegExp): Promise<RegExpExecArray> => {
    try {
      const match = await until(`it says ${what}`, () => what.exec(printed.slice(seen)));
      seen += match.index + match[0].length;
      return match;
    } catch (cause) {
      throw new Error(`${what} was not seen in ${JSON.stringify(printed.slice(seen))}`, { cause });
    }
  };
  const [, pid = "", tty = ""] = await sees(/at (\d+) (\S+) now\r\n/);
  return {
    type: (keys) => void child.stdin.write(keys),
    sees,
    async resize(size) {
      await must("stty", ["-F", tty, "rows", String(size.rows), "cols", String(size.columns)]);
    },
    kill: (signal) => void process.kill(Number(pid), signal),
    async ended() {
      await until("the program has ended", () => child.exitCode !== null || child.signalCode !== null);
      return child.exitCode;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited(child);
    },
  };
}
