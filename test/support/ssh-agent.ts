import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { exited, must, run, until } from "./process.ts";
import { busyboxMembers, type Member } from "./tarball.ts";

/** An agent of OpenSSH's. */
export interface SshAgent extends AsyncDisposable {
  readonly socket: string;
}

/** An agent with a key of this name; both are in the directory. */
export async function startSshAgent(directory: string, name: string): Promise<SshAgent> {
  const [socket, key] = [join(directory, `${name}.sock`), join(directory, name)];
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  await must("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key]);
  await until(
    "the agent listens",
    async () => (await run("ssh-add", ["-q", key], { env: { SSH_AUTH_SOCK: socket } })).code === 0,
  );
  return {
    socket,
    async [Symbol.asyncDispose]() {
      agent.kill();
      await exited(agent);
    },
  };
}

/** Busybox, and a program of this host with the libraries it needs. */
export async function busyboxWith(program: string): Promise<Member[]> {
  const { stdout } = await must("ldd", [program]);
  const files = [program, ...[...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "")];
  return [
    ...busyboxMembers(),
    ...files.map((path): Member => ({ name: path.slice(1), mode: 0o755, data: readFileSync(path) })),
  ];
}
