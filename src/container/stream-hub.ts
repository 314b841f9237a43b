import { PlyError } from "../error.ts";
import type { OutputChunk, RuntimeStreams } from "../runtime/index.ts";
import type { Attachment } from "./containers.ts";

/** Bytes that may wait for one client before the container is slowed down. */
const QUEUE_LIMIT = 1024 * 1024;

export interface StreamHubOptions {
  /** The container's stdin closes for good when a client that has it leaves. */
  readonly closesStdin: boolean;
}

/**
 * The streams of one container and the clients on them. One connection to conmon serves all clients, and
 * exists only while there are any: a container nobody watches costs nothing. Clients may come before the
 * container starts; nothing it prints is missed by them.
 */
export interface StreamHub {
  attach(options: {
    readonly stdin: boolean;
    readonly stdout: boolean;
    readonly stderr: boolean;
  }): Attachment;
  /** True when clients wait for a connection. */
  readonly wantsConnection: boolean;
  readonly isConnected: boolean;
  /** Takes the connection over; it ends by itself with the container. */
  connect(streams: RuntimeStreams): void;
  /** The container is over (or never started): clients read what is left, then the end. */
  finish(): void;
}

interface Client {
  readonly stdin: boolean;
  readonly accepts: (chunk: OutputChunk) => boolean;
  readonly queue: OutputChunk[];
  queued: number;
  ended: boolean;
  wake: () => void;
}

export function createStreamHub({ closesStdin }: StreamHubOptions): StreamHub {
  const clients = new Set<Client>();
  let connection: RuntimeStreams | undefined;
  let connected = Promise.withResolvers<RuntimeStreams>();
  connected.promise.catch(() => undefined);
  /** A client that has stdin was there: from then on the last to leave takes the connection along. */
  let stdinSeen = false;
  let wakePump: () => void = () => undefined;

  const end = (client: Client) => {
    client.ended = true;
    client.wake();
  };

  async function pump(streams: RuntimeStreams): Promise<void> {
    try {
      for await (const chunk of streams.output) {
        for (const client of clients) {
          if (client.ended || !client.accepts(chunk)) continue;
          client.queue.push(chunk);
          client.queued += chunk.bytes.length;
          client.wake();
        }
        while ([...clients].some(({ queued, ended }) => queued > QUEUE_LIMIT && !ended))
          await new Promise<void>((resolve) => {
            wakePump = resolve;
          });
      }
    } finally {
      if (connection === streams) finish();
      await streams[Symbol.asyncDispose]();
    }
  }

  function finish(): void {
    connection = undefined;
    stdinSeen = false;
    connected.reject(new PlyError("conflict", "the container is not running"));
    connected = Promise.withResolvers();
    connected.promise.catch(() => undefined);
    for (const client of clients) end(client);
    clients.clear();
    wakePump();
  }

  async function* read(client: Client): AsyncGenerator<OutputChunk> {
    for (;;) {
      const chunk = client.queue.shift();
      if (chunk !== undefined) {
        client.queued -= chunk.bytes.length;
        if (client.queued <= QUEUE_LIMIT) wakePump();
        yield chunk;
      } else if (client.ended) return;
      else
        await new Promise<void>((resolve) => {
          client.wake = resolve;
        });
    }
  }

  async function leave(client: Client): Promise<void> {
    if (!clients.delete(client)) return;
    end(client);
    wakePump();
    const streams = connection;
    if (streams === undefined) return;
    if (client.stdin && closesStdin) await streams.end().catch(() => undefined);
    // Leaving conmon closes the stdin of a container made for one client: not before that client came.
    if (clients.size > 0 || (closesStdin && !stdinSeen)) return;
    connection = undefined;
    connected = Promise.withResolvers();
    connected.promise.catch(() => undefined);
    await streams[Symbol.asyncDispose]();
  }

  return {
    attach({ stdin, stdout, stderr }) {
      const client: Client = {
        stdin,
        accepts: ({ stream }) => (stream === "stdout" ? stdout : stderr),
        queue: [],
        queued: 0,
        ended: false,
        wake: () => undefined,
      };
      clients.add(client);
      if (stdin && connection !== undefined) stdinSeen = true;
      const output = read(client);
      return {
        output,
        async writeStdin(bytes) {
          if (!stdin) return;
          await (await (connection === undefined ? connected.promise : connection)).write(bytes);
        },
        async closeStdin() {
          if (!stdin) return;
          await (await (connection === undefined ? connected.promise : connection)).end();
        },
        [Symbol.asyncDispose]: () => leave(client),
      };
    },
    get wantsConnection() {
      return connection === undefined && clients.size > 0;
    },
    get isConnected() {
      return connection !== undefined;
    },
    connect(streams) {
      connection = streams;
      for (const client of clients) if (client.stdin) stdinSeen = true;
      connected.resolve(streams);
      pump(streams).catch(() => undefined);
    },
    finish,
  };
}
