import type { Socket } from "bun";
import type { NetworkNamespace } from "../../linux/index.ts";
import { DNS_ADDRESS, redirectNames } from "./redirect.ts";
import type { Asking, Resolver } from "./resolver.ts";
import { createFrames, frame } from "./tcp-frame.ts";

/** Connections of one container at once, how long (in s) one may be silent, and what may wait for a client that does not read. */
const CONNECTIONS = 64;
const SILENT_SECONDS = 10;
const BACKLOG_BYTES = 256 * 1024;

/** The name server's door in one container. */
export interface Door {
  close(): void;
}

/**
 * Opens UDP and TCP sockets in a container's network namespace, where its processes ask 127.0.0.11. Its loopback device
 * must be up.
 */
export async function listen(
  namespace: NetworkNamespace,
  asking: () => Asking,
  resolve: Resolver,
): Promise<Door> {
  // All are made before `run` returns, in the namespace; what is awaited is news of it.
  const { udp, tcp } = namespace.run(() => {
    const tcp = openTcp(0, asking, resolve);
    try {
      redirectNames(tcp.port);
      return { tcp, udp: openUdp(tcp.port, asking, resolve) };
    } catch (error) {
      tcp.stop(true);
      throw error;
    }
  });
  try {
    const socket = await udp;
    return {
      close() {
        socket.close();
        tcp.stop(true);
      },
    };
  } catch (error) {
    tcp.stop(true);
    throw error;
  }
}

function openUdp(port: number, asking: () => Asking, resolve: Resolver) {
  return Bun.udpSocket({
    hostname: DNS_ADDRESS,
    port,
    socket: {
      data(socket, query, fromPort, from) {
        void resolve(asking(), query, "udp").then((answer) => {
          if (answer !== null && !socket.closed) socket.send(answer, fromPort, from);
        });
      },
    },
  });
}

interface Connection {
  readonly frames: (chunk: Uint8Array) => Buffer[];
  /** What the kernel did not take yet. */
  backlog: Buffer;
}

function flush(socket: Socket<Connection>, more: Uint8Array): void {
  const bytes = Buffer.concat([socket.data.backlog, more]);
  const taken = bytes.length === 0 ? 0 : Math.max(0, socket.write(bytes));
  socket.data.backlog = bytes.subarray(taken);
  if (socket.data.backlog.length > BACKLOG_BYTES) socket.terminate();
}

function openTcp(port: number, asking: () => Asking, resolve: Resolver) {
  let connections = 0;
  return Bun.listen<Connection>({
    hostname: DNS_ADDRESS,
    port,
    socket: {
      open(socket) {
        connections++;
        socket.data = { frames: createFrames(), backlog: Buffer.alloc(0) };
        socket.timeout(SILENT_SECONDS);
        if (connections > CONNECTIONS) socket.terminate();
      },
      data(socket, chunk) {
        socket.timeout(SILENT_SECONDS);
        for (const query of socket.data.frames(chunk))
          void resolve(asking(), query, "tcp").then((answer) => {
            if (answer !== null) flush(socket, frame(answer));
          });
      },
      drain: (socket) => flush(socket, Buffer.alloc(0)),
      timeout: (socket) => void socket.terminate(),
      close: () => {
        connections--;
      },
      error: () => undefined,
    },
  });
}
