import {
  joinResults,
  type LintResult,
  type LintWarning,
  lintDockerfile,
  type Outline,
  outlineOf,
  parseDockerfile,
  type Target,
  targetsOf,
} from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";
import type { Platform } from "../oci/index.ts";
import type { BuildOptions } from "./build.ts";
import { checkDockerfile } from "./checks.ts";
import { planPlatform } from "./open-session.ts";
import type { BuilderParts } from "./parts.ts";

export type CallOptions = Pick<
  BuildOptions,
  "dockerfile" | "target" | "buildArgs" | "platforms" | "contexts" | "ignore"
>;

export interface CheckReport {
  /** In the order of lines. */
  readonly warnings: readonly LintWarning[];
  /** Why it cannot be built, or not with `error=true`. */
  readonly error?: { readonly message: string; readonly line?: number; readonly endLine?: number };
}

/** Questions about a Dockerfile, answered without building or pulling anything. */
export interface Calls {
  /** For each platform, what is the same for several once. Without a target, all stages are looked at. Throws nothing for what is wrong with the Dockerfile: it is reported. */
  check(options: CallOptions): Promise<CheckReport>;
  /** Throws "invalid" with the place for what is wrong with the Dockerfile. */
  outline(options: CallOptions): Promise<Outline>;
  targets(options: CallOptions): readonly Target[];
}

export function openCalls(parts: BuilderParts): Calls {
  const planOf = (options: CallOptions, platform = options.platforms?.[0]) => {
    const file = parseDockerfile(options.dockerfile.text, options.dockerfile.name);
    const { graph, ...plan } = planPlatform({ parts, options }, file, platform);
    return { file, graph, ...plan, built: new Set(graph.stages.map(({ stage }) => stage.index)) };
  };
  const checkFor = async (options: CallOptions, platform: Platform | undefined): Promise<LintResult> => {
    try {
      const { file, built, ...plan } = planOf(options, platform);
      const stages = options.target === undefined ? undefined : built;
      return await checkDockerfile(file, { parts, options, ...plan }, stages);
    } catch (problem) {
      if (!(problem instanceof PlyError)) throw problem;
      return { warnings: await warningsOf(options), violation: undefined, problem };
    }
  };
  return {
    async check(options) {
      const { platforms = [] } = options;
      const each = platforms.length === 0 ? [undefined] : platforms;
      const found = await Promise.all(each.map((platform) => checkFor(options, platform)));
      const { warnings, violation, problem } = joinResults(found);
      if (problem !== undefined) return { warnings, error: placed(problem) };
      return { warnings, ...(violation === undefined ? {} : { error: { message: violation } }) };
    },
    outline(options) {
      const { file, built, graph, args } = planOf(options);
      return outlineOf(file, {
        target: graph.target.stage.index,
        stages: built,
        buildArgs: args.given,
        platformArgs: args.platform,
      });
    },
    targets: ({ dockerfile }) => targetsOf(parseDockerfile(dockerfile.text, dockerfile.name)),
  };
}

/** Of a Dockerfile that can be read, but not be built: what can be said of it nevertheless. */
async function warningsOf({ dockerfile, buildArgs = new Map(), ignore }: CallOptions) {
  try {
    const file = parseDockerfile(dockerfile.text, dockerfile.name);
    const { warnings } = await lintDockerfile(file, {
      buildArgs,
      ...(ignore === undefined ? {} : { ignore }),
    });
    return warnings;
  } catch (error) {
    if (error instanceof PlyError) return [];
    throw error;
  }
}

function placed({ message, details: { line, endLine } }: PlyError): NonNullable<CheckReport["error"]> {
  return {
    message,
    ...(typeof line === "number" ? { line } : {}),
    ...(typeof endLine === "number" ? { endLine } : {}),
  };
}
