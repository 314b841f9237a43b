import { PlyError } from "../../error.ts";
import { readDockerContext } from "./context.ts";
import { type TlsFiles, type TlsFlags, tlsFiles } from "./tls.ts";

/** Where an engine listens. `text` is as users write it. */
export type EngineAddress =
  | { readonly kind: "unix"; readonly path: string; readonly text: string }
  | {
      readonly kind: "tcp";
      readonly hostname: string;
      readonly port: number;
      readonly text: string;
      readonly tls?: TlsFiles;
    }
  | {
      readonly kind: "ssh";
      readonly hostname: string;
      readonly user?: string;
      readonly port?: number;
      /** Of the engine's socket there; absent: the usual one. */
      readonly path?: string;
      readonly text: string;
    };

/** What the command line says of the engine to talk to. */
export interface Target {
  readonly host?: string;
  readonly context?: string;
  readonly tls?: TlsFlags;
}

/** An address and whether somebody asked for exactly that one: then no engine is started there. */
export interface ChosenAddress {
  readonly address: EngineAddress;
  readonly explicit: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where an engine of this user keeps what a reboot may take: `/run/ply`, or below XDG_RUNTIME_DIR when rootless. */
export function defaultRunRoot(env: Environment, uid: number): string {
  const runtimeDir = env["XDG_RUNTIME_DIR"];
  return uid === 0 || runtimeDir === undefined || runtimeDir === "" ? "/run/ply" : `${runtimeDir}/ply`;
}

/** Where an engine of this user keeps everything: `/var/lib/ply`, or `$XDG_DATA_HOME/ply` when rootless. */
export function defaultRoot(env: Environment, uid: number): string {
  if (uid === 0) return "/var/lib/ply";
  const dataHome = env["XDG_DATA_HOME"];
  return dataHome === undefined || dataHome === ""
    ? `${env["HOME"] ?? "/tmp"}/.local/share/ply`
    : `${dataHome}/ply`;
}

/**
 * The engine meant: `-H` or `--context`, else PLY_HOST, else DOCKER_HOST, else DOCKER_CONTEXT, else the user's own socket. Which
 * context Docker's client uses by default does not matter: it says where Docker is.
 */
export function chooseAddress(target: Target, env: Environment, uid: number): ChosenAddress {
  const { host, context } = target;
  if (host !== undefined && context !== undefined)
    throw new PlyError("invalid", "conflicting options: cannot specify both --host and --context");
  const tls = tlsFiles(target.tls ?? {}, env);
  const named = host ?? (context === undefined ? env["PLY_HOST"] || env["DOCKER_HOST"] : undefined);
  if (named !== undefined && named !== "") return { address: parseAddress(named, tls), explicit: true };
  const found = readDockerContext(context ?? (env["DOCKER_CONTEXT"] || "default"), env);
  if (found !== undefined) return { address: parseAddress(found.host, found.tls ?? tls), explicit: true };
  return { address: parseAddress(`unix://${defaultRunRoot(env, uid)}/ply.sock`), explicit: false };
}

const PLAIN_PORT = 2375;
const TLS_PORT = 2376;

/** Reads `unix:///path`, `/path`, `tcp://host:port`, `ssh://user@host:port/path`; throws "invalid". */
export function parseAddress(text: string, tls?: TlsFiles): EngineAddress {
  const path = text.startsWith("/")
    ? text
    : text.startsWith("unix://")
      ? text.slice("unix://".length)
      : undefined;
  if (path !== undefined) {
    if (path === "" || path.includes("\0")) throw badAddress(text, "no path after unix://");
    return { kind: "unix", path, text: text.startsWith("/") ? `unix://${text}` : text };
  }
  if (text.startsWith("ssh://")) return parseSshAddress(text);
  const tcp = /^(?:tcp|http|https):\/\/(?:\[([0-9a-fA-F:.]+)\]|([^/:[\]]+))(?::(\d{1,5}))?\/?$/.exec(text);
  if (tcp === null)
    throw badAddress(
      text,
      /^[a-z]+:\/\//.test(text)
        ? "unix://, tcp:// and ssh:// are supported"
        : "no unix:// or tcp:// before it",
    );
  const port = Number(tcp[3] ?? (tls === undefined ? PLAIN_PORT : TLS_PORT));
  if (port < 1 || port > 65535) throw badAddress(text, `port ${port} is out of range`);
  const hostname = tcp[1] ?? tcp[2] ?? "";
  return { kind: "tcp", hostname, port, text, ...(tls === undefined ? {} : { tls }) };
}

function parseSshAddress(text: string): EngineAddress {
  const ssh =
    /^ssh:\/\/(?:([^@/:]+)@)?(?:\[([0-9a-fA-F:.]+)\]|([^/:@[\]-][^/:@[\]]*))(?::(\d{1,5}))?(\/.*)?$/.exec(
      text,
    );
  if (ssh === null || ssh[1]?.startsWith("-"))
    throw badAddress(text, "not ssh://USER@HOST:PORT/PATH; a password has no place in it");
  const [, user, v6, name = "", port, path] = ssh;
  return {
    kind: "ssh",
    hostname: v6 ?? name,
    text,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(path === undefined || path === "/" ? {} : { path }),
  };
}

function badAddress(text: string, why: string): PlyError {
  return new PlyError("invalid", `invalid engine address ${JSON.stringify(text)}: ${why}`, {
    hint: "write it as unix:///run/ply/ply.sock or tcp://127.0.0.1:2375",
  });
}
