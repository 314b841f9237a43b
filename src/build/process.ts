import { spawn } from "node:child_process";
import { PlyError, throwIfAborted } from "../error.ts";

/** The last of what a tool says on stderr: enough to know why. */
const STDERR_BYTES = 4096;

/** Runs a tool to its end. Throws "unavailable" with its last words, "unsupported" when it is not installed. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
  },
): Promise<string> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  const output: Buffer[] = [];
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => void output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString("utf8")).slice(-STDERR_BYTES);
  });
  // With those it has started: git leaves the fetching to others.
  const stop = (): void => {
    try {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has just ended by itself.
    }
  };
  options.signal.addEventListener("abort", stop, { once: true });
  const code = await ended(child, command).finally(() => options.signal.removeEventListener("abort", stop));
  throwIfAborted(options.signal);
  if (code !== 0) throw new PlyError("unavailable", `${command} failed: ${errors.trim() || `code ${code}`}`);
  return Buffer.concat(output).toString("utf8");
}

/** A stream through a filter (`xz -dc`). Throws "corrupt" when the filter fails, "unsupported" when it is not installed. */
export async function* filterThrough(
  command: string,
  args: readonly string[],
  input: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"], signal });
  const end = ended(child, command);
  end.catch(() => undefined);
  child.stdin.on("error", () => undefined);
  const feed = (async () => {
    for await (const bytes of input)
      if (!child.stdin.write(Buffer.from(bytes)))
        await new Promise((resolve) => child.stdin.once("drain", resolve));
    child.stdin.end();
  })();
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    await feed;
    const code = await end;
    if (code !== 0) throw new PlyError("corrupt", `${command}: not what it should be (code ${code})`);
  } finally {
    child.kill();
  }
}

function ended(child: ReturnType<typeof spawn>, command: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on("error", (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === "ENOENT"
          ? new PlyError("unsupported", `${command} is not installed`, { hint: `install ${command}` })
          : cause.name === "AbortError"
            ? new PlyError("cancelled", "the build was cancelled", { cause })
            : cause,
      ),
    );
    child.on("close", (code) => resolve(code ?? -1));
  });
}
