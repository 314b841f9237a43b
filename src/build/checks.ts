import {
  type BaseFacts,
  type Dockerfile,
  joinResults,
  type LintResult,
  lintDockerfile,
} from "../dockerfile/index.ts";
import { isPlyError, PlyError } from "../error.ts";
import { type Platform, parsePlatform } from "../oci/index.ts";
import type { BuildOptions } from "./build.ts";
import type { BuildGraph } from "./graph.ts";
import type { BuilderParts } from "./parts.ts";
import type { Session } from "./session.ts";
import type { BuildArgs } from "./variables.ts";

interface Checked {
  readonly parts: Pick<BuilderParts, "images">;
  readonly options: Pick<BuildOptions, "contexts" | "ignore">;
  readonly platform: Platform | undefined;
  readonly args: BuildArgs;
  readonly graph: BuildGraph;
}

/** Looks a Dockerfile over with what is known here of its images; nothing is pulled. Without `stages`, all of it. */
export function checkDockerfile(
  file: Dockerfile,
  { parts, options, platform, args, graph }: Checked,
  stages?: ReadonlySet<number>,
): Promise<LintResult> {
  const { ignore, contexts } = options;
  return lintDockerfile(file, {
    buildArgs: args.given,
    platformArgs: args.platform,
    ...(stages === undefined ? {} : { stages }),
    ...(ignore === undefined ? {} : { ignore }),
    async baseOf({ index }, image, written) {
      const base = graph.all[index]?.base;
      const context = base?.kind === "context" ? contexts?.get(base.name) : undefined;
      const name = context !== undefined && "image" in context ? context.image : image;
      if (base?.kind !== "image" && name === image) return undefined;
      return factsOf(parts, name, written ?? platform);
    },
  });
}

/** What is known of an image; undefined: it is not here, or the platform is none. */
async function factsOf(
  { images }: Checked["parts"],
  name: string,
  wanted: Platform | string | undefined,
): Promise<BaseFacts | undefined> {
  try {
    const platform = typeof wanted === "string" ? parsePlatform(wanted) : wanted;
    const { config, os, architecture } = await images.configOf(
      images.resolve(name, platform === undefined ? {} : { platform }).id,
    );
    return {
      env: config?.Env ?? [],
      hasShell: (config?.Shell ?? []).length > 0,
      triggers: config?.OnBuild ?? [],
      platform: { os, architecture },
    };
  } catch (error) {
    if (isPlyError(error)) return undefined;
    throw error;
  }
}

/**
 * Builds with the checks that its options ask for: what `error=true` forbids fails it at once, and what is found is
 * told at the end, when its images are here and known: for each platform, what is the same for several once.
 */
export async function withChecks<Result>(
  sessions: readonly Session[],
  build: () => Promise<Result>,
): Promise<Result> {
  const [first] = sessions;
  if (first === undefined || first.options.checks !== true) return build();
  const check = async () =>
    joinResults(
      await Promise.all(
        sessions.map((session) => {
          const { file, stages } = session.graph;
          return checkDockerfile(file, session, new Set(stages.map(({ stage }) => stage.index)));
        }),
      ),
    );
  let found = await check();
  try {
    refuse(found);
    const result = await build();
    found = await check();
    refuse(found);
    return result;
  } finally {
    for (const { at, message, ...rule } of found.warnings) first.emit({ kind: "warning", message, at, rule });
  }
}

function refuse({ violation }: LintResult): void {
  if (violation !== undefined)
    throw new PlyError("invalid", violation, { hint: "its check option says error=true" });
}
