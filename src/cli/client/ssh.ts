import { spawn } from "node:child_process";
import type { EngineAddress } from "./address.ts";
import type { Connection } from "./connection.ts";

/**
 * A connection to an engine of another machine: ssh runs `ply system dial-stdio` there, whose standard streams are
 * the engine's socket. Keys, jump hosts and the like are ssh's own business.
 */
export async function connectBySsh(address: EngineAddress & { readonly kind: "ssh" }): Promise<Connection> {
  const child = spawn("ssh", sshArguments(address), { stdio: ["pipe", "pipe", "pipe"] });
  const said: Buffer[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk));
  const ended = new Promise<Error | undefined>((resolve) => {
    child.once("error", resolve);
    child.once("close", (code) =>
      resolve(code === 0 || code === null ? undefined : new Error(words(said) || `ssh ended with ${code}`)),
    );
  });
  child.stdin.on("error", () => {});
  const output = child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const unread: Uint8Array[] = [];
  let reason: unknown;
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        child.stdin.write(bytes, (error) => {
          if (error == null) resolve();
          else void ended.then((failure) => reject(failure ?? error));
        });
      }),
    closeWrite: () => void child.stdin.end(),
    async read() {
      const kept = unread.shift();
      if (kept !== undefined) return kept;
      const next = await output.next().catch(() => ({ done: true as const, value: undefined }));
      if (reason !== undefined) throw reason;
      if (next.done !== true) return next.value;
      const failure = await ended;
      if (failure !== undefined) throw failure;
      return undefined;
    },
    unread(bytes) {
      if (bytes.length > 0) unread.unshift(bytes);
    },
    destroy(why) {
      reason = why;
      child.kill("SIGKILL");
    },
  };
}

/** As Docker's client has them, with ply's command at the other end. */
function sshArguments({ user, hostname, port, path }: EngineAddress & { readonly kind: "ssh" }): string[] {
  return [
    ...["-o", "ConnectTimeout=30", "-T"],
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    "--",
    hostname,
    ...["ply", ...(path === undefined ? [] : ["--host", `unix://${path}`]), "system", "dial-stdio"],
  ];
}

function words(said: readonly Buffer[]): string {
  return Buffer.concat(said).toString("utf8").trim();
}
