import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { exited, must, type Ran, type RunOptions, run, until } from "./process.ts";

/** The binary under test; `npm test` builds it first. */
export const PLY_BINARY = process.env["PLY_BINARY"] ?? resolve(import.meta.dirname, "../../dist/ply");

/** A real engine of the real binary, with roots of its own. */
export interface TestEngine extends AsyncDisposable {
  readonly root: string;
  readonly runRoot: string;
  /** `unix:///…`, for DOCKER_HOST. */
  readonly host: string;
  readonly socket: string;
  readonly pid: number;
  /** `ply ARGS` against this engine. */
  ply(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Same, and throws unless it exits with 0. */
  must(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The real docker client against this engine. */
  docker(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** A request to the API, the answer's body as text. */
  request(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }>;
  /** Ends the engine and starts it again on the same roots. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  /** What the engine printed. */
  log(): string;
}

export interface EngineSetup {
  readonly storageDriver?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Words in front of the engine's command line: `unshare`, `prlimit`, … */
  readonly within?: readonly string[];
  /** Where the roots are made; a real filesystem. */
  readonly parent?: string;
  /** Path of the network namespace that is the engine's host; absent: this one. */
  readonly netns?: string;
}

/** Starts an engine; dispose it to stop it and remove all it made. Fails when it leaves a mount behind. */
export async function startEngine(setup: EngineSetup = {}): Promise<TestEngine> {
  const home = mkdtempSync(join(setup.parent ?? tmpdir(), "ply-e2e-"));
  const root = join(home, "root");
  const runRoot = join(home, "run");
  const socket = join(home, "ply.sock");
  const host = `unix://${socket}`;
  const env = { ...setup.env, HOME: home, DOCKER_CONFIG: join(home, "docker") };
  const output: Buffer[] = [];
  let child: ChildProcess | undefined;

  const engine: TestEngine = {
    root,
    runRoot,
    host,
    socket,
    get pid() {
      return child?.pid ?? 0;
    },
    ply: (args, options = {}) =>
      run(PLY_BINARY, args, { ...options, env: { ...env, PLY_HOST: host, ...options.env } }),
    must: (args, options = {}) =>
      must(PLY_BINARY, args, { ...options, env: { ...env, PLY_HOST: host, ...options.env } }),
    docker: (args, options = {}) =>
      run("docker", args, { ...options, env: { ...env, DOCKER_HOST: host, ...options.env } }),
    async request(method, path, body) {
      const response = await fetch(`http://ply${path}`, {
        method,
        unix: socket,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
      });
      return { status: response.status, text: await response.text() };
    },
    async start() {
      const driver = setup.storageDriver === undefined ? [] : ["--storage-driver", setup.storageDriver];
      const serve = [
        "serve",
        "--root",
        root,
        "--run-root",
        runRoot,
        "-H",
        host,
        ...driver,
        ...(setup.args ?? []),
      ];
      const elsewhere = setup.netns === undefined ? [] : ["nsenter", `--net=${setup.netns}`, "--"];
      const [program = PLY_BINARY, ...args] = [...elsewhere, ...(setup.within ?? []), PLY_BINARY, ...serve];
      const started = spawn(program, args, {
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      child = started;
      started.stdout.on("data", (chunk: Buffer) => output.push(chunk));
      started.stderr.on("data", (chunk: Buffer) => output.push(chunk));
      await until("the engine answers", async () => {
        if (started.exitCode !== null)
          throw new Error(`the engine exited with ${started.exitCode}:\n${engine.log()}`);
        return (
          existsSync(socket) && (await engine.request("GET", "/_ping").catch(() => undefined))?.status === 200
        );
      });
    },
    async kill(signal) {
      if (child === undefined) return;
      child.kill(signal);
      await exited(child);
      child = undefined;
    },
    async restart(signal = "SIGTERM") {
      await engine.kill(signal);
      await engine.start();
    },
    log: () => Buffer.concat(output).toString(),
    async [Symbol.asyncDispose]() {
      const containers = await engine.ply(["ps", "-aq"]);
      const ids = containers.stdout.split("\n").filter((id) => id !== "");
      if (ids.length > 0) await engine.ply(["rm", "-f", ...ids]);
      await engine.kill("SIGTERM");
      const leaked = mountsUnder(home);
      for (const target of leaked.reverse()) await run("umount", ["-l", target]);
      rmSync(home, { recursive: true, force: true });
      if (leaked.length > 0) throw new Error(`the engine left mounts behind: ${leaked.join(", ")}`);
    },
  };
  try {
    await engine.start();
  } catch (error) {
    await engine.kill("SIGKILL");
    for (const target of mountsUnder(home).reverse()) await run("umount", ["-l", target]);
    rmSync(home, { recursive: true, force: true });
    throw error;
  }
  return engine;
}

/** Mount points below a directory, in the order they were mounted. */
export function mountsUnder(directory: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) =>
      (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
    .filter((target) => target.startsWith(`${directory}/`));
}

/** Disk use of a tree in bytes, as `du` counts it. */
export async function diskUse(path: string): Promise<number> {
  if (!existsSync(path) || !statSync(path).isDirectory()) return 0;
  return Number((await must("du", ["-s", "--block-size=1", path])).stdout.split("\t")[0]);
}
