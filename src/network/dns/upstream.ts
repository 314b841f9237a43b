import { isIPv6 } from "node:net";
import { createFrames, frame } from "./tcp-frame.ts";

/** A server to ask, and the network namespace it is asked from: null is that of the thread, the host's. */
export interface Server {
  readonly address: string;
  readonly port: number;
  readonly namespace: { run<T>(work: () => T): T } | null;
}

export type Transport = "udp" | "tcp";

/** Asks one server one question. Undefined: no answer in time, or nobody there. Rejects never. */
export type Exchange = (
  server: Server,
  transport: Transport,
  query: Buffer,
  timeoutMs: number,
) => Promise<Buffer | undefined>;

/** Over a socket of its own each: its random port is what makes answers hard to forge. */
export const exchange: Exchange = (server, transport, query, timeoutMs) =>
  new Promise((resolve) => {
    let close = (): void => undefined;
    const settle = (answer: Buffer | undefined): void => {
      clearTimeout(timer);
      close();
      resolve(answer);
    };
    const timer = setTimeout(() => settle(undefined), timeoutMs);
    const ask = transport === "udp" ? askUdp : askTcp;
    const take = (answer: Buffer): void => {
      if (answers(query, answer)) settle(answer);
    };
    const open = () => ask(server, query, take, () => settle(undefined));
    try {
      // The socket belongs to the namespace in which it is made, which both do before they return.
      const opened = server.namespace === null ? open() : server.namespace.run(open);
      close = () =>
        void opened.then(
          (socket) => socket.close(),
          () => undefined,
        );
    } catch {
      settle(undefined);
    }
  });

/** The same question under the same number. */
function answers(query: Buffer, answer: Buffer): boolean {
  if (answer.length < 12 || answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  return ((answer[2] ?? 0) & 0x80) !== 0;
}

interface Asking {
  close(): void;
}

async function askUdp(
  { address, port }: Server,
  query: Buffer,
  onAnswer: (answer: Buffer) => void,
  onFailure: () => void,
): Promise<Asking> {
  try {
    const socket = await Bun.udpSocket({
      hostname: isIPv6(address) ? "::" : "0.0.0.0",
      connect: { hostname: address, port },
      socket: { data: (_, data) => onAnswer(Buffer.from(data)), error: onFailure },
    });
    socket.send(query);
    return socket;
  } catch {
    onFailure();
    return { close: () => undefined };
  }
}

async function askTcp(
  { address, port }: Server,
  query: Buffer,
  onAnswer: (answer: Buffer) => void,
  onFailure: () => void,
): Promise<Asking> {
  const frames = createFrames();
  try {
    const socket = await Bun.connect({
      hostname: address,
      port,
      socket: {
        open: (opened) => void opened.write(frame(query)),
        data: (_, data) => frames(data).forEach(onAnswer),
        close: onFailure,
        error: onFailure,
        connectError: onFailure,
      },
    });
    return { close: () => socket.end() };
  } catch {
    onFailure();
    return { close: () => undefined };
  }
}
