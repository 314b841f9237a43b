import { chmodSync, chownSync, statSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { PlyError } from "../../error.ts";

/** A socket for one step; dispose it to end what goes through it. */
export interface AgentSocket extends Disposable {
  readonly path: string;
}

/**
 * A socket of the step's own at `path`, with its owner and mode, through which it reaches an agent of this host: that
 * one's own socket is for its owner alone. Throws "invalid" where there is no such socket.
 */
export async function openAgentSocket(
  path: string,
  {
    agent,
    uid,
    gid,
    mode,
  }: { readonly agent: string; readonly uid: number; readonly gid: number; readonly mode: number },
): Promise<AgentSocket> {
  if (statSync(agent, { throwIfNoEntry: false })?.isSocket() !== true)
    throw new PlyError("invalid", `the engine finds no socket of an agent at ${agent}`);
  const open = new Set<Socket>();
  const keep = (socket: Socket, other: Socket): void => {
    open.add(socket);
    socket.on("error", () => other.destroy());
    socket.on("close", () => {
      open.delete(socket);
      other.destroy();
    });
    socket.pipe(other);
  };
  const server = createServer((client) => {
    const upstream = connect(agent);
    keep(client, upstream);
    keep(upstream, client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  chownSync(path, uid, gid);
  chmodSync(path, mode);
  return {
    path,
    [Symbol.dispose]() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
