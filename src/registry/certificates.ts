import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { messageOf, PlyError } from "../error.ts";

/** What a TLS connection to one host uses besides the defaults. PEM. */
export interface TlsMaterial {
  /** Replaces the built-in roots; holds them too. */
  readonly ca?: string[];
  readonly cert?: string[];
  readonly key?: string[];
}

/** The system's own trust, where administrators put their roots. The first that exists counts. */
const SYSTEM_BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** PEM files in a certs.d folder are a few KiB. */
const MAX_PEM_BYTES = 1024 * 1024;
const MAX_FILES = 100;

/**
 * Reads `DIR/HOST[:PORT]/` of each folder, as Docker's certs.d has it: every `*.crt` is a trusted root besides
 * the system's, every `*.cert` a client certificate with its key in the `*.key` of the same name.
 * `names` are the names the host goes by: `registry-1.docker.io` and `docker.io`.
 * Throws "invalid" for a certificate without key or the reverse.
 */
export async function readTlsMaterial(
  names: readonly string[],
  certsDirs: readonly string[],
): Promise<TlsMaterial> {
  const roots: string[] = [];
  const cert: string[] = [];
  const key: string[] = [];
  for (const dir of certsDirs.flatMap((parent) => names.map((name) => join(parent, name)))) {
    const files = await listFiles(dir);
    for (const file of files) {
      const path = join(dir, file);
      if (file.endsWith(".crt")) roots.push(await readPem(path));
      if (file.endsWith(".cert")) {
        const keyFile = file.replace(/\.cert$/, ".key");
        if (!files.includes(keyFile))
          throw new PlyError("invalid", `missing key ${join(dir, keyFile)} for client certificate ${path}`, {
            hint: "CA certificates must have the ending .crt",
          });
        cert.push(await readPem(path));
        key.push(await readPem(join(dir, keyFile)));
      }
      if (file.endsWith(".key") && !files.includes(file.replace(/\.key$/, ".cert")))
        throw new PlyError(
          "invalid",
          `missing client certificate ${path.replace(/\.key$/, ".cert")} for key ${path}`,
        );
    }
  }
  const system = await readSystemBundle();
  const trusted = system === undefined ? rootCertificates : [system];
  return {
    ...(roots.length === 0 && system === undefined ? {} : { ca: [...trusted, ...roots] }),
    ...(cert.length === 0 ? {} : { cert, key }),
  };
}

async function listFiles(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort().slice(0, MAX_FILES);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return [];
    throw new PlyError("unavailable", `cannot read the certificates in ${dir}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function readPem(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new PlyError("unavailable", `cannot read ${path}: ${messageOf(cause)}`, { cause });
  });
  if (text.length > MAX_PEM_BYTES || !text.includes("-----BEGIN "))
    throw new PlyError("invalid", `${path} is not a PEM file`);
  return text;
}

async function readSystemBundle(): Promise<string | undefined> {
  for (const path of SYSTEM_BUNDLES) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (text.includes("-----BEGIN ")) return text;
  }
  return undefined;
}
