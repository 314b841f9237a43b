import { runCli } from "../run-cli.ts";
import type { FakeEngine } from "./fake-engine.ts";
import { type FakeStdio, type FakeStdioOptions, fakeStdio } from "./fake-stdio.ts";

export interface RunOptions extends FakeStdioOptions {
  readonly engine?: FakeEngine;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the streams once the command runs. */
  readonly during?: (stdio: FakeStdio) => void;
}

/** Runs a command line in this process, as the binary would. */
export async function runPly(
  words: readonly string[],
  options: RunOptions = {},
): Promise<{ code: number; stdout: string; stderr: string; stdio: FakeStdio }> {
  const stdio = fakeStdio(options);
  const host = options.engine === undefined ? {} : { PLY_HOST: options.engine.host };
  const running = runCli(words, {
    stdio,
    // No home: a test must not read, let alone write, this user's credentials.
    env: { DOCKER_CONFIG: "/nonexistent", ...host, ...options.env },
    uid: 0,
    examine: async () => [],
    serve: async () => {
      throw new Error("this test has no engine to serve");
    },
    startEngine: async () => {
      throw new Error("this test must not start an engine");
    },
  });
  options.during?.(stdio);
  const code = await running;
  return { code, stdout: stdio.stdout(), stderr: stdio.stderr(), stdio };
}
