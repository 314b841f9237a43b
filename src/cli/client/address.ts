import { PlyError } from "../../error.ts";

/** Where an engine listens. `text` is as users write it. */
export type EngineAddress =
  | { readonly kind: "unix"; readonly path: string; readonly text: string }
  | { readonly kind: "tcp"; readonly hostname: string; readonly port: number; readonly text: string };

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

/** The engine meant: `-H`, else PLY_HOST, else DOCKER_HOST, else the user's own socket. */
export function chooseAddress(given: string | undefined, env: Environment, uid: number): ChosenAddress {
  for (const text of [given, env["PLY_HOST"], env["DOCKER_HOST"]])
    if (text !== undefined && text !== "") return { address: parseAddress(text), explicit: true };
  return { address: parseAddress(`unix://${defaultRunRoot(env, uid)}/ply.sock`), explicit: false };
}

/** Reads `unix:///path`, `/path`, `tcp://host:port`; throws "invalid". */
export function parseAddress(text: string): EngineAddress {
  const path = text.startsWith("/")
    ? text
    : text.startsWith("unix://")
      ? text.slice("unix://".length)
      : undefined;
  if (path !== undefined) {
    if (path === "" || path.includes("\0")) throw badAddress(text, "no path after unix://");
    return { kind: "unix", path, text: text.startsWith("/") ? `unix://${text}` : text };
  }
  const tcp = /^(?:tcp|http):\/\/(?:\[([0-9a-fA-F:.]+)\]|([^/:[\]]+))(?::(\d{1,5}))?\/?$/.exec(text);
  if (tcp === null)
    throw badAddress(
      text,
      /^[a-z]+:\/\//.test(text) ? "unix:// and tcp:// are supported" : "no unix:// or tcp:// before it",
    );
  const port = Number(tcp[3] ?? 2375);
  if (port < 1 || port > 65535) throw badAddress(text, `port ${port} is out of range`);
  return { kind: "tcp", hostname: tcp[1] ?? tcp[2] ?? "", port, text };
}

function badAddress(text: string, why: string): PlyError {
  return new PlyError("invalid", `invalid engine address ${JSON.stringify(text)}: ${why}`, {
    hint: "write it as unix:///run/ply/ply.sock or tcp://127.0.0.1:2375",
  });
}
