import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, type Stats, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PlyError } from "../../error.ts";
import type { EngineAddress } from "../client/index.ts";

/** Sockets of agents for `RUN --mount=type=ssh`, by id; dispose it to end those that were started for the build. */
export interface Agents extends Disposable {
  readonly sockets: Readonly<Record<string, string>>;
}

interface AgentOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the build is. */
  readonly address: EngineAddress;
}

/**
 * `--ssh ID`, `ID=SOCKET`, `ID=KEYFILE[,KEYFILE]`: key files get an ssh-agent of their own for the time of the build, which asks for
 * their passphrases. Throws "invalid", "unsupported" for an engine on another host.
 */
export async function openAgents(flags: readonly string[], { env, address }: AgentOptions): Promise<Agents> {
  if (flags.length > 0 && address.kind !== "unix")
    throw new PlyError(
      "unsupported",
      `--ssh: the engine at ${address.text} cannot reach an agent of this host`,
      {
        hint: "build on an engine of this host, or pass what is needed with --secret",
      },
    );
  const stack = new DisposableStack();
  try {
    const sockets: Record<string, string> = {};
    for (const flag of flags) {
      const equals = flag.indexOf("=");
      const id = equals < 0 ? flag : flag.slice(0, equals);
      const paths =
        equals < 0
          ? []
          : flag
              .slice(equals + 1)
              .split(",")
              .filter((path) => path !== "");
      if (Object.hasOwn(sockets, id)) throw new PlyError("invalid", `--ssh ${id}: given twice`);
      sockets[id || "default"] = await socketOf(id, paths, env, stack);
    }
    return { sockets, [Symbol.dispose]: () => stack.dispose() };
  } catch (error) {
    stack.dispose();
    throw error;
  }
}

async function socketOf(
  id: string,
  paths: readonly string[],
  env: AgentOptions["env"],
  stack: DisposableStack,
): Promise<string> {
  const given = paths.length > 0 ? paths : [env["SSH_AUTH_SOCK"] ?? ""].filter((path) => path !== "");
  if (given.length === 0)
    throw new PlyError(
      "invalid",
      `--ssh ${id}: invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set`,
    );
  const stats = given.map((path) => statOf(id, path));
  const [first = ""] = given;
  if (given.length === 1 && stats[0]?.isSocket()) return resolve(first);
  const odd = given.find((_path, n) => stats[n]?.isFile() !== true);
  if (odd !== undefined)
    throw new PlyError(
      "invalid",
      stats.some((stat) => stat.isSocket())
        ? `--ssh ${id}: only a single socket is allowed, and no keys beside it`
        : `--ssh ${id}: ${odd} is neither a socket nor a key file`,
    );
  return agentWith(id, given, stack);
}

function statOf(id: string, path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    throw new PlyError("not-found", `--ssh ${id}: there is no ${path}`, { cause });
  }
}

/** Starts an agent with these keys and nothing else. */
async function agentWith(id: string, keys: readonly string[], stack: DisposableStack): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), "ply-agent-"));
  const socket = join(home, "socket");
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: ["ignore", "pipe", "inherit"] });
  stack.defer(() => void agent.kill());
  // Before the agent is ended: it unlinks its socket then, and `rmSync` takes what vanishes for all that was asked.
  stack.defer(() => rmSync(home, { recursive: true, force: true }));
  await started(agent);
  // It says where its socket is when there is one.
  await Promise.race([once(agent.stdout, "data"), once(agent, "exit")]);
  const add = spawn("ssh-add", ["-q", "--", ...keys], {
    env: { ...process.env, SSH_AUTH_SOCK: socket },
    stdio: ["inherit", "ignore", "inherit"],
  });
  await started(add);
  const [code] = (await once(add, "exit")) as [number | null];
  if (code !== 0) throw new PlyError("invalid", `--ssh ${id}: ssh-add does not take ${keys.join(", ")}`);
  return socket;
}

async function started(child: ChildProcess): Promise<void> {
  await new Promise<void>((done, fail) => {
    child.once("spawn", done);
    child.once("error", (cause) =>
      fail(
        new PlyError("unsupported", `${child.spawnfile} cannot be run: ${cause.message}`, {
          cause,
          hint: "key files need OpenSSH's client (openssh-client); or give an agent's socket",
        }),
      ),
    );
  });
}
