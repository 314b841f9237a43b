import { PlyError } from "../../error.ts";
import type { EngineAddress } from "./address.ts";
import type { TlsFiles } from "./tls.ts";

/**
 * One connection as bytes in and bytes out, each with back-pressure and each ending on its own. Bun's own sockets:
 * node:net costs 5 ms and node:http 11 ms of a command's start (Bun 1.4.5), these under 1 ms.
 */
export interface Connection {
  /** Resolves once the bytes were taken by the kernel. Rejects when the peer is gone. */
  write(bytes: Uint8Array | string): Promise<void>;
  /** Half-close: the peer sees the end of what we send and may go on answering. */
  closeWrite(): void;
  /** The next bytes, or undefined at the end. Rejects when the connection broke. One caller at a time. */
  read(): Promise<Uint8Array | undefined>;
  /** Puts bytes back, to be read next. */
  unread(bytes: Uint8Array): void;
  /** Closes both ways at once. A reader gets the reason, when one is given, else the end. */
  destroy(reason?: unknown): void;
}

/** Bytes received and not yet read, above which the socket is paused. */
const HIGH_WATER_BYTES = 1024 * 1024;

/** Connects; rejects with the system's error (`code`: ENOENT, ECONNREFUSED, EACCES…). */
export async function connectSocket(
  address: EngineAddress & { readonly kind: "unix" | "tcp" },
): Promise<Connection> {
  /** Of a TLS connection: whether the other side is who it should be. */
  const secured = Promise.withResolvers<void>();
  secured.promise.catch(() => {});
  const received: Uint8Array[] = [];
  let receivedBytes = 0;
  let ended = false;
  let paused = false;
  let failure: unknown;
  let wakeReader: (() => void) | undefined;
  let wakeWriter: (() => void) | undefined;
  const wake = (): void => {
    wakeReader?.();
    wakeWriter?.();
  };
  const end = (error?: unknown): void => {
    ended = true;
    failure ??= error ?? undefined;
    wake();
  };

  const handlers: Bun.SocketHandler<undefined> = {
    binaryType: "uint8array",
    data(socket, chunk) {
      received.push(chunk);
      receivedBytes += chunk.length;
      if (receivedBytes > HIGH_WATER_BYTES && !paused) {
        paused = true;
        socket.pause();
      }
      wakeReader?.();
    },
    drain: () => wakeWriter?.(),
    end: () => end(),
    close: (_socket, error) => {
      closed = true;
      secured.reject(error ?? brokenPipe());
      end(error);
    },
    error: (_socket, error) => end(error),
    handshake: (socket, isTls, error) => {
      if (isTls && (error == null || (address.kind === "tcp" && address.tls?.verifies === false)))
        return secured.resolve();
      // The reason first: terminate() may call close() at once.
      secured.reject(notTrusted(address, error));
      socket.terminate();
    },
  };
  let closed = false;
  // allowHalfOpen is honoured for unix sockets too; Bun's types forget it there.
  const unix = (path: string): Bun.UnixSocketOptions & { allowHalfOpen: true } => ({
    unix: path,
    allowHalfOpen: true,
    socket: handlers,
  });
  const socket = await (address.kind === "unix"
    ? Bun.connect(unix(address.path))
    : Bun.connect({
        hostname: address.hostname,
        port: address.port,
        allowHalfOpen: true,
        socket: handlers,
        ...(address.tls === undefined ? {} : { tls: await tlsOptions(address.tls, address.hostname) }),
      }));
  if (address.kind === "tcp" && address.tls !== undefined) await secured.promise;

  return {
    async write(bytes) {
      let rest = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
      while (rest.length > 0) {
        if (closed) throw failure ?? brokenPipe();
        const taken = socket.write(rest);
        if (taken < 0) throw failure ?? brokenPipe();
        rest = rest.subarray(taken);
        if (rest.length === 0) return;
        const { promise, resolve } = Promise.withResolvers<void>();
        wakeWriter = resolve;
        await promise;
        wakeWriter = undefined;
      }
    },
    closeWrite() {
      if (!closed) socket.shutdown();
    },
    async read() {
      for (;;) {
        const chunk = received.shift();
        if (chunk !== undefined) {
          receivedBytes -= chunk.length;
          if (paused && receivedBytes <= HIGH_WATER_BYTES / 2) {
            paused = false;
            socket.resume();
          }
          return chunk;
        }
        if (failure !== undefined) throw failure;
        if (ended) return undefined;
        const { promise, resolve } = Promise.withResolvers<void>();
        wakeReader = resolve;
        await promise;
        wakeReader = undefined;
      }
    },
    unread(bytes) {
      if (bytes.length === 0) return;
      received.unshift(bytes);
      receivedBytes += bytes.length;
    },
    destroy(reason) {
      if (reason !== undefined) failure = reason;
      if (!closed) socket.terminate();
      end();
    },
  };
}

async function tlsOptions(files: TlsFiles, serverName: string): Promise<Bun.TLSOptions> {
  const { readTlsFiles } = await import("./tls.ts");
  return { ...readTlsFiles(files), rejectUnauthorized: files.verifies, serverName };
}

function notTrusted({ text }: EngineAddress, cause: unknown): PlyError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new PlyError("denied", `the engine at ${text} is not trusted${why}`, {
    hint: "see --tlscacert, and whether the certificate names this host",
    ...(cause == null ? {} : { cause }),
  });
}

function brokenPipe(): Error {
  return Object.assign(new Error("the engine closed the connection"), { code: "EPIPE" });
}
