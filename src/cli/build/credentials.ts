import type { BuildRequestFields, PreparedBuild } from "../../build-request/index.ts";
import { parseReference } from "../../oci/index.ts";
import type { CommandContext } from "../command.ts";
import { allRegistryConfigHeaders } from "../credentials.ts";

/** Where a Dockerfile names images: `FROM`, `--from=`, and `from=` of mounts. */
const NAMES = /^\s*FROM\s+(?:--\S+\s+)*(\S+)|\bfrom=([^\s,]+)/gim;

/**
 * What this user has for all registries: which a build asks is known only when its variables are. Credential helpers are
 * asked for those that the build names, and for all where the names are not known yet.
 */
export function registryHeaders(
  { dockerfile, named }: PreparedBuild,
  { env }: CommandContext,
  { cacheFrom = [], cacheTo = [] }: BuildRequestFields,
  pushed: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const written = "text" in dockerfile ? namesIn(dockerfile.text) : undefined;
  const contexts = [...named.values()].flatMap((each) =>
    "kind" in each && each.kind === "image" ? [each.name] : [],
  );
  const caches = [...cacheFrom, ...cacheTo].flatMap((each) => (each.kind === "registry" ? [each.ref] : []));
  const names = ["docker.io/library/x", ...(written ?? []), ...contexts, ...caches, ...pushed];
  const areAllKnown = written !== undefined && !names.some((name) => name.includes("$"));
  return allRegistryConfigHeaders({ names: names.filter(isName), areAllKnown }, env);
}

function namesIn(dockerfile: string): string[] {
  return [...dockerfile.matchAll(NAMES)].map((match) => match[1] ?? match[2] ?? "");
}

function isName(text: string): boolean {
  try {
    return text !== "scratch" && parseReference(text).path !== "";
  } catch {
    return false;
  }
}
