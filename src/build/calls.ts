import {
  type LintWarning,
  type Outline,
  outlineOf,
  parseDockerfile,
  type Target,
  targetsOf,
} from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";
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
  /** Without a target, all stages are looked at. Throws nothing for what is wrong with the Dockerfile: it is reported. */
  check(options: CallOptions): Promise<CheckReport>;
  /** Throws "invalid" with the place for what is wrong with the Dockerfile. */
  outline(options: CallOptions): Promise<Outline>;
  targets(options: CallOptions): readonly Target[];
}

export function openCalls(parts: BuilderParts): Calls {
  const planOf = (options: CallOptions) => {
    const file = parseDockerfile(options.dockerfile.text, options.dockerfile.name);
    const { graph, ...plan } = planPlatform({ parts, options }, file, options.platforms?.[0]);
    return { file, graph, ...plan, built: new Set(graph.stages.map(({ stage }) => stage.index)) };
  };
  return {
    async check(options) {
      try {
        const { file, built, ...plan } = planOf(options);
        const stages = options.target === undefined ? undefined : built;
        const { warnings, violation } = await checkDockerfile(file, { parts, options, ...plan }, stages);
        return { warnings, ...(violation === undefined ? {} : { error: { message: violation } }) };
      } catch (error) {
        if (!(error instanceof PlyError)) throw error;
        const { line, endLine } = error.details;
        return {
          warnings: [],
          error: {
            message: error.message,
            ...(typeof line === "number" ? { line } : {}),
            ...(typeof endLine === "number" ? { endLine } : {}),
          },
        };
      }
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
