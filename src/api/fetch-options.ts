import { parseBoolean } from "../boolean.ts";
import type { BuildOptions, ContextOptions } from "../build/index.ts";

/** What of a build's options holds for contexts that are fetched. */
export function fetchOptions({
  buildArgs,
  secrets,
  ssh,
}: Pick<BuildOptions, "buildArgs" | "secrets" | "ssh">): Pick<
  ContextOptions,
  "secrets" | "agent" | "keepGitDir"
> {
  const agent = ssh?.get("default");
  const keepGitDir = buildArgs?.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR") ?? "";
  return {
    keepGitDir: parseBoolean(keepGitDir) === true,
    ...(secrets === undefined ? {} : { secrets }),
    ...(agent === undefined ? {} : { agent }),
  };
}
