import { chmod, chown, lstat, mkdir, readFile, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { messageOf, PlyError } from "../error.ts";
import type { Doors, DoorTls } from "./door.ts";
import { isLoopback } from "./loopback.ts";

/** Where a server listens: `unix:///run/ply/ply.sock`, `tcp://127.0.0.1:2375`. */
export type ListenAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

export interface ListenOptions {
  /** Group that may use the socket beside root, where it exists. */
  readonly socketGroup?: string;
  /** Allow TCP on other addresses than loopback without TLS: whoever reaches it owns the machine. */
  readonly allowInsecureTcp?: boolean;
  /** For TCP. */
  readonly tls?: DoorTls;
  /** Told what is dangerous about an address that was opened all the same. */
  readonly onWarning?: (warning: string) => void;
  /** What is created through it belongs to that session. */
  readonly session?: string;
}

/** An open door. Disposing it closes it and takes the socket file away. */
export interface Listener extends AsyncDisposable {
  /** With the real port where 0 was asked for. */
  readonly address: string;
}

const DEFAULT_TCP_PORT = 2375;
const DEFAULT_TLS_PORT = 2376;
/** `sockaddr_un` has room for this many bytes with the closing NUL. */
const MAX_SOCKET_PATH_BYTES = 107;
const SOCKET_MODE = 0o660;

/** Parses `-H`; throws "invalid". */
export function parseListenAddress(text: string, { tls } = { tls: false }): ListenAddress {
  const match = /^([a-z]+):\/\/(.*)$/.exec(text);
  const [, scheme, rest = ""] = match ?? [];
  if (scheme === "unix") {
    if (!rest.startsWith("/"))
      throw new PlyError("invalid", `invalid address ${JSON.stringify(text)}: the path is not absolute`, {
        hint: "write unix:///run/ply/ply.sock",
      });
    if (Buffer.byteLength(rest) > MAX_SOCKET_PATH_BYTES)
      throw new PlyError(
        "invalid",
        `the socket path ${rest} is longer than ${MAX_SOCKET_PATH_BYTES} bytes, the system's limit`,
      );
    return { kind: "unix", path: rest };
  }
  const tcp = scheme === "tcp" ? /^(\[[0-9a-fA-F:.]+\]|[^:/[\]]*)(?::(\d{1,5}))?\/?$/.exec(rest) : null;
  const port = Number(tcp?.[2] ?? (tls ? DEFAULT_TLS_PORT : DEFAULT_TCP_PORT));
  if (tcp === null || port > 65_535)
    throw new PlyError("invalid", `invalid address ${JSON.stringify(text)}`, {
      hint: "write unix:///path or tcp://127.0.0.1:2375",
    });
  const host = (tcp[1] ?? "").replace(/^\[|\]$/g, "");
  return { kind: "tcp", host: host === "" ? "127.0.0.1" : host, port };
}

/** Opens one address. Throws "conflict" when another engine listens there, "denied" for an address that is not safe. */
export async function listen(
  server: Doors,
  address: ListenAddress,
  options: ListenOptions = {},
): Promise<Listener> {
  return address.kind === "unix"
    ? await listenOnSocket(server, address.path, options)
    : await listenOnTcp(server, address, options);
}

async function listenOnSocket(server: Doors, path: string, options: ListenOptions): Promise<Listener> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await removeStale(path);
  const { session } = options;
  const http = server.createHttpServer({
    guardBrowsers: false,
    ...(session === undefined ? {} : { session }),
  });
  await listening(http, { path }, `unix://${path}`);
  // Until here only the owner may connect: connecting needs write permission, which a umask of 022 withholds.
  await chmod(path, SOCKET_MODE);
  const gid = await groupId(options.socketGroup ?? "docker");
  if (gid !== undefined && process.getuid?.() === 0) await chown(path, 0, gid);
  const { ino } = await lstat(path);
  return {
    address: `unix://${path}`,
    async [Symbol.asyncDispose]() {
      http.close();
      http.closeAllConnections();
      // A file of another engine that took the name since is not ours to remove.
      if ((await lstat(path).catch(() => undefined))?.ino === ino) await rm(path, { force: true });
    },
  };
}

/** Removes a socket that nobody listens on; throws when somebody does, or when it is no socket. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new PlyError("conflict", `${path} is there and is not a socket`);
  if (await isAnswered(path))
    throw new PlyError("conflict", `another process listens on unix://${path}`, {
      hint: "stop it, or choose another socket with -H",
    });
  await rm(path, { force: true });
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      else reject(new PlyError("denied", `cannot try ${path}: ${error.message}`, { cause: error }));
    });
  });
}

async function listenOnTcp(
  server: Doors,
  address: Extract<ListenAddress, { kind: "tcp" }>,
  options: ListenOptions,
): Promise<Listener> {
  const { host, port } = address;
  const { tls } = options;
  const isOpen = !isLoopback(host) && tls?.clientCa === undefined;
  const without = tls === undefined ? "TLS" : "client certificates";
  if (isOpen && options.allowInsecureTcp !== true)
    throw new PlyError(
      "denied",
      `refusing to listen on tcp://${host}:${port} without ${without}: whoever can reach it would be root here`,
      {
        hint: "use --tlsverify, listen on 127.0.0.1 and reach it through ssh://, or insist with --insecure-tcp",
      },
    );
  if (isOpen)
    options.onWarning?.(
      `tcp://${host}:${port} has no ${without}: whoever can reach it is root on this machine`,
    );
  const http = server.createHttpServer({
    guardBrowsers: isLoopback(host) && tls === undefined,
    ...(tls === undefined ? {} : { tls }),
  });
  await listening(http, { host, port }, `tcp://${host}:${port}`);
  const bound = http.address();
  const actual = typeof bound === "object" && bound !== null ? bound.port : port;
  return {
    address: `tcp://${host.includes(":") ? `[${host}]` : host}:${actual}`,
    async [Symbol.asyncDispose]() {
      http.close();
      http.closeAllConnections();
    },
  };
}

function listening(
  http: Server,
  at: { readonly path: string } | { readonly host: string; readonly port: number },
  shown: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE";
      reject(
        new PlyError(
          isTaken ? "conflict" : "unavailable",
          isTaken ? `another process listens on ${shown}` : `cannot listen on ${shown}: ${messageOf(error)}`,
          { cause: error },
        ),
      );
    };
    http.once("error", onError);
    http.listen(at, () => {
      http.off("error", onError);
      resolve();
    });
  });
}

async function groupId(name: string): Promise<number | undefined> {
  const groups = await readFile("/etc/group", "utf8").catch(() => "");
  for (const line of groups.split("\n")) {
    const [group, , gid] = line.split(":");
    if (group === name && gid !== undefined && /^\d+$/.test(gid)) return Number(gid);
  }
  return undefined;
}
