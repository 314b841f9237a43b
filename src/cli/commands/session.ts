import { spawn } from "node:child_process";
import { PlyError } from "../../error.ts";
import type { PlySession } from "../../wire/index.ts";
import { command } from "../command.ts";
import { ExitError } from "../failure.ts";
import { segment } from "./ids.ts";

const NOT_FOUND = 127;
const CANNOT_RUN = 126;

export default command({
  args: { usage: "COMMAND [ARG...]", min: 1, stopsFlags: true },
  flags: {},
  description:
    "The command finds a socket of its own in DOCKER_HOST and PLY_HOST. Containers, networks, volumes and built images that it or any tool makes through it are removed when it ends, however it ends. Exits as the command does.",
  examples: [
    ["ply session npm test", "tests in containers, with nothing left behind"],
    ["ply session docker compose up", "a stack that is gone after Ctrl-C"],
  ],
  failureCode: 125,
  async run(context, _flags, [program = "", ...args]) {
    const { engine, stdio } = context;
    if (engine.address.kind !== "unix")
      throw new PlyError("unsupported", "a session's socket is on the engine's own machine", {
        hint: "run ply session there, or send its id with each request: X-Ply-Session",
      });
    const opened = await engine.stream<PlySession>("POST", "/ply/sessions");
    const answer = opened[Symbol.asyncIterator]();
    const { value: session } = (await answer.next()) as { value: PlySession };
    // Open until the session is ended, or this process is.
    void answer.next().catch(() => undefined);
    const host = `unix://${session.socket}`;
    const child = spawn(program, args, {
      stdio: "inherit",
      // A reaper has nothing to do here.
      env: { ...context.env, DOCKER_HOST: host, PLY_HOST: host, TESTCONTAINERS_RYUK_DISABLED: "true" },
    });
    // Ctrl-C reaches the command by itself; it decides, and what it made is removed after it.
    const undo = stdio.onSignal(["SIGINT", "SIGTERM", "SIGHUP"], (signal) => {
      if (signal !== "SIGINT") child.kill(signal);
    });
    try {
      const code = await new Promise<number>((resolve, reject) => {
        child.once("error", (error: NodeJS.ErrnoException) =>
          reject(
            new ExitError(
              error.code === "ENOENT" ? NOT_FOUND : CANNOT_RUN,
              `ply: cannot run ${program}: ${error.message}`,
            ),
          ),
        );
        child.once("exit", (exitCode, signal) => resolve(exitCode ?? 128 + signalNumber(signal)));
      });
      return { kind: "exit", code };
    } finally {
      undo();
      await engine.json("DELETE", `/ply/sessions/${segment(session.id)}`);
    }
  },
});

function signalNumber(signal: NodeJS.Signals | null): number {
  const { constants } = process.getBuiltinModule("node:os");
  return signal === null ? 0 : constants.signals[signal];
}
