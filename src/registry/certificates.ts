import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { codeOf, messageOf, PlyError } from "../error.ts";

/** What one host needs besides the system's trust. PEM. */
interface HostMaterial {
  readonly roots: readonly string[];
  readonly cert: readonly string[];
  readonly key: readonly string[];
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
 * TLS settings per host. Reading the system's roots takes some 50 ms, so that hosts without files of their own
 * share one context. `names` are the names a host goes by: `registry-1.docker.io` and `docker.io`.
 * The returned function throws "invalid" for files that make no sense, "unavailable" for unreadable ones.
 */
export function createTlsContexts(
  certsDirs: readonly string[],
): (names: readonly string[]) => Promise<SecureContext> {
  let usual: Promise<SecureContext> | undefined;
  return async (names) => {
    const { roots, cert, key } = await readHostMaterial(names, certsDirs);
    if (roots.length === 0 && cert.length === 0) {
      usual ??= readSystemRoots().then((ca) => createSecureContext({ ca }));
      return usual;
    }
    const ca = [...(await readSystemRoots()), ...roots];
    try {
      return createSecureContext({ ca, ...(cert.length === 0 ? {} : { cert: [...cert], key: [...key] }) });
    } catch (cause) {
      throw new PlyError(
        "invalid",
        `the certificates for ${names.join(", ")} are not usable: ${messageOf(cause)}`,
        {
          cause,
          hint: `look at the files in ${certsDirs.join(", ")}`,
        },
      );
    }
  };
}

/**
 * Reads `DIR/HOST[:PORT]/` of each folder, as Docker's certs.d has it: every `*.crt` is a trusted root besides
 * the system's, every `*.cert` a client certificate with its key in the `*.key` of the same name.
 */
async function readHostMaterial(
  names: readonly string[],
  certsDirs: readonly string[],
): Promise<HostMaterial> {
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
  return { roots, cert, key };
}

async function listFiles(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort().slice(0, MAX_FILES);
  } catch (error) {
    const code = codeOf(error);
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

/** The system's bundle, as Go's programs use it; without one the runtime's own roots. */
async function readSystemRoots(): Promise<string[]> {
  for (const path of SYSTEM_BUNDLES) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (text.includes("-----BEGIN ")) return [text];
  }
  return [...rootCertificates];
}
