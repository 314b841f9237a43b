import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { isPlyError } from "../../../error.ts";
import type { GrpcConnection } from "../../../grpc/index.ts";
import { drained } from "../../exchange.ts";
import { checkAgent, forwardAgent } from "./methods.ts";
import type { ForwardedAgent, SessionCallOptions } from "./session.ts";

export interface AgentOptions extends SessionCallOptions {
  /** Where the socket is to be. */
  readonly directory: string;
}

/**
 * A socket through which the client's agent of this id is reached, for the engine alone; undefined where the client has
 * none. Connections are calls of their own, as many as are made.
 */
export async function forwardedAgent(
  connection: GrpcConnection,
  id: string,
  { directory, signal }: AgentOptions,
): Promise<ForwardedAgent | undefined> {
  try {
    await connection.ask(checkAgent, { id }, signal === undefined ? {} : { signal });
  } catch (error) {
    // Clients without any agent do not know the method; others say "unset ssh forward key" with no code of its own.
    if (isPlyError(error, "unsupported") || isPlyError(error, "invalid") || isPlyError(error, "not-found"))
      return undefined;
    throw error;
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, `${randomUUID().slice(0, 13)}.sock`);
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => open.delete(socket));
    void forward(connection, id, socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return {
    path,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
      rmSync(path, { force: true });
    },
  };
}

/** Both ways, until either side has ended. */
async function forward(connection: GrpcConnection, id: string, socket: Socket): Promise<void> {
  const gone = new AbortController();
  socket.on("close", () => gone.abort());
  async function* said() {
    for await (const data of socket.iterator({ destroyOnReturn: false })) yield { data: data as Uint8Array };
  }
  try {
    const answers = connection.call(forwardAgent, said(), {
      metadata: { "buildkit.ssh.id": id },
      signal: gone.signal,
    });
    for await (const { data } of answers) if (!socket.write(data)) await drained(socket, gone.signal);
    socket.end();
  } catch {
    socket.destroy();
  }
}
