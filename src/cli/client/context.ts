import { PlyError } from "../../error.ts";
import type { TlsFiles } from "./tls.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a context of `docker context` leads. */
export interface DockerContext {
  readonly host: string;
  readonly tls?: TlsFiles;
}

/** Reads a context from where Docker's client keeps it. Undefined for "default"; throws not-found in Docker's words. */
export function readDockerContext(name: string, env: Environment): DockerContext | undefined {
  if (name === "default") return undefined;
  // Loaded only here: they cost every command some milliseconds.
  const { createHash } = process.getBuiltinModule("node:crypto");
  const { existsSync, readFileSync } = process.getBuiltinModule("node:fs");
  const config = env["DOCKER_CONFIG"] || `${env["HOME"] ?? ""}/.docker`;
  // Docker's client names the folders so that any name can be one.
  const id = createHash("sha256").update(name).digest("hex");
  const file = `${config}/contexts/meta/${id}/meta.json`;
  const folder = `${config}/contexts/tls/${id}/docker`;
  let meta: { Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } } };
  try {
    meta = JSON.parse(readFileSync(file, "utf8")) as typeof meta;
  } catch (cause) {
    throw new PlyError("not-found", `context ${JSON.stringify(name)}: context not found`, {
      hint: "docker context ls lists them",
      cause,
    });
  }
  const { Host: host, SkipTLSVerify: skipsVerify = false } = meta.Endpoints?.docker ?? {};
  if (host === undefined || host === "") return undefined;
  if (!existsSync(folder)) return { host };
  const files = Object.fromEntries(
    ["ca", "cert", "key"].flatMap((kind) => {
      const path = `${folder}/${kind}.pem`;
      return existsSync(path) ? [[kind, path]] : [];
    }),
  );
  return { host, tls: { ...files, verifies: !skipsVerify } };
}
