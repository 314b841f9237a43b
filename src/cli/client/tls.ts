import { messageOf, PlyError } from "../../error.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line says of TLS; Docker's flags. */
export interface TlsFlags {
  readonly tls?: boolean | undefined;
  readonly tlsverify?: boolean | undefined;
  readonly tlscacert?: string | undefined;
  readonly tlscert?: string | undefined;
  readonly tlskey?: string | undefined;
}

/** Paths of PEM files. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** False: encrypted, and no matter with whom. */
  readonly verifies: boolean;
}

/** Docker's flags, the same for `ply` and `ply serve`. */
export const TLS_FLAGS = {
  tls: { kind: "bool", help: "Use TLS on tcp://; implied by --tlsverify" },
  tlsverify: { kind: "bool", help: "Use TLS and verify the other side (also DOCKER_TLS_VERIFY)" },
  tlscacert: {
    kind: "string",
    value: "FILE",
    complete: "file",
    help: "Trust certificates signed by this CA (DOCKER_CERT_PATH/ca.pem)",
  },
  tlscert: {
    kind: "string",
    value: "FILE",
    complete: "file",
    help: "Own certificate (DOCKER_CERT_PATH/cert.pem)",
  },
  tlskey: { kind: "string", value: "FILE", complete: "file", help: "Own key (DOCKER_CERT_PATH/key.pem)" },
} as const;

/** The files to use, or undefined for plain TCP. Without flags they lie in DOCKER_CERT_PATH, else in ~/.docker. */
export function tlsFiles(flags: TlsFlags, env: Environment): TlsFiles | undefined {
  const verifies = flags.tlsverify === true || (env["DOCKER_TLS_VERIFY"] ?? "") !== "";
  if (!verifies && flags.tls !== true) return undefined;
  // Loaded only here: it costs every command some milliseconds.
  const { existsSync } = process.getBuiltinModule("node:fs");
  const folder = env["DOCKER_CERT_PATH"] || env["DOCKER_CONFIG"] || `${env["HOME"] ?? ""}/.docker`;
  const usual = (name: string): string | undefined => {
    const path = `${folder}/${name}`;
    return existsSync(path) ? path : undefined;
  };
  const ca = flags.tlscacert ?? usual("ca.pem");
  const cert = flags.tlscert ?? usual("cert.pem");
  const key = flags.tlskey ?? usual("key.pem");
  return {
    verifies,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/** What is in the files. Throws "denied" with the path of one that cannot be read. */
export function readTlsFiles({ ca, cert, key }: TlsFiles): Partial<Record<"ca" | "cert" | "key", string>> {
  const { readFileSync } = process.getBuiltinModule("node:fs");
  const read = (path: string | undefined, what: string): string | undefined => {
    if (path === undefined) return undefined;
    try {
      return readFileSync(path, "utf8");
    } catch (cause) {
      throw new PlyError("denied", `cannot read the ${what} ${path}: ${messageOf(cause)}`, { cause });
    }
  };
  const files = { ca: read(ca, "CA certificate"), cert: read(cert, "certificate"), key: read(key, "key") };
  return Object.fromEntries(Object.entries(files).filter(([, text]) => text !== undefined));
}
