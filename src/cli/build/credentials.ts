import { parseReference } from "../../oci/index.ts";
import type { CommandContext } from "../command.ts";
import { registryConfigHeaders } from "../credentials.ts";
import type { PreparedBuild } from "./request.ts";

/** Credentials for the images that the Dockerfile begins with, as far as their names stand there, and for names to push to. */
export function registryHeaders(
  { dockerfile }: PreparedBuild,
  { env }: CommandContext,
  pushed: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const text = "text" in dockerfile ? dockerfile.text : "";
  const names = [...text.matchAll(/^\s*FROM\s+(?:--\S+\s+)*([^\s$]+)|--from=([^\s,$]+)/gim)].map(
    (match) => match[1] ?? match[2] ?? "",
  );
  const images = ["docker.io/library/x", ...names, ...pushed].filter((name) => {
    try {
      return name !== "scratch" && parseReference(name).path !== "";
    } catch {
      return false;
    }
  });
  return registryConfigHeaders(images, env);
}
