import { type Dockerfile, parseDockerfile } from "../dockerfile/index.ts";
import { PlyError, throwIfAborted } from "../error.ts";
import { formatPlatform, type Platform } from "../oci/index.ts";
import type { Lease } from "../store/index.ts";
import type { BuildEvent, BuildOptions } from "./build.ts";
import type { BuildCache } from "./cache/cache.ts";
import type { BuildTrace } from "./cache/trace.ts";
import { checkFrontend } from "./frontend.ts";
import { type BuildGraph, planStages } from "./graph.ts";
import type { LayerSupply } from "./layer-supply.ts";
import type { BuilderParts } from "./parts.ts";
import type { CacheImports } from "./remote-cache/import.ts";
import type { Session, StageResult } from "./session.ts";
import type { Sources } from "./sources.ts";
import { buildStage } from "./stage.ts";
import { type BuildArgs, platformArgs } from "./variables.ts";

/** What the builds for all platforms of one request share. */
export interface SharedBuild {
  readonly parts: BuilderParts;
  readonly options: BuildOptions;
  readonly cache: BuildCache;
  readonly imports: CacheImports;
  readonly supply: LayerSupply;
  readonly imported: Session["imported"];
  readonly remoteBases: Session["remoteBases"];
  readonly trace: BuildTrace;
  readonly lease: Lease;
  readonly sources: Sources;
  readonly signal: AbortSignal;
  /** Aborted with the first failure: the others need not go on. */
  readonly stop: AbortController;
}

/** What there is to do for one platform. */
interface PlatformPlan {
  /** Undefined: nobody said which. */
  readonly platform: Platform | undefined;
  readonly args: BuildArgs;
  readonly graph: BuildGraph;
  readonly stepCount: number;
}

/**
 * A session for each platform, none begun; their steps are counted through. Throws "invalid" with the place for what
 * is wrong with the Dockerfile.
 */
export function openSessions(shared: SharedBuild): Session[] {
  const { dockerfile, buildArgs = new Map(), platforms = [] } = shared.options;
  for (const message of shared.options.warnings ?? []) shared.options.onEvent?.({ kind: "warning", message });
  checkFrontend(dockerfile, buildArgs);
  const file = parseDockerfile(dockerfile.text, dockerfile.name);
  const wanted = platforms.length === 0 ? [undefined] : platforms;
  const plans = wanted.map((platform) => planPlatform(shared, file, platform));
  const total = plans.reduce((sum, { stepCount }) => sum + stepCount, 0);
  let before = 0;
  return plans.map((plan) => {
    const session = openSession(shared, plan, { before, total, isOneOfSeveral: plans.length > 1 });
    before += plan.stepCount;
    return session;
  });
}

/** What there is to build for a platform. Throws "invalid" with the place. */
export function planPlatform(
  {
    parts,
    options,
  }: { readonly parts: Pick<BuilderParts, "platform">; readonly options: Partial<BuildOptions> },
  file: Dockerfile,
  platform: Platform | undefined,
): PlatformPlan {
  const { target } = options;
  const args: BuildArgs = {
    given: options.buildArgs ?? new Map(),
    platform: platformArgs(platform ?? parts.platform, parts.platform, target),
    global: new Map(),
    used: new Set(),
  };
  const graph = planStages(file, {
    target,
    args,
    contexts: new Set(options.contexts?.keys()),
    firstBase: options.firstBase,
    allStages: options.allStages === true,
  });
  const stepCount = graph.stages.reduce((sum, { stage }) => sum + 1 + stage.instructions.length, 0);
  return { platform, args, graph, stepCount };
}

function openSession(
  { stop, options, ...shared }: SharedBuild,
  { platform, args, graph }: PlatformPlan,
  count: { readonly before: number; readonly total: number; readonly isOneOfSeveral: boolean },
): Session {
  const firstStep = new Map<number, number>();
  let next = count.before + 1;
  for (const { stage } of graph.stages) {
    firstStep.set(stage.index, next);
    next += 1 + stage.instructions.length;
  }
  const emit = (event: BuildEvent): void => options.onEvent?.(event);
  const results = new Map<number, Promise<StageResult>>();
  const session: Session = {
    ...shared,
    options,
    platform,
    args,
    graph,
    now: Math.floor(shared.parts.clock() / 1000),
    firstStep,
    total: count.total,
    usedImages: new Map(),
    materials: new Map(),
    emit:
      count.isOneOfSeveral && platform !== undefined
        ? (event) => emit(ofPlatform(event, formatPlatform(platform)))
        : emit,
    stageOf(index) {
      const known = results.get(index);
      if (known !== undefined) return known;
      const planned = graph.all[index];
      if (planned === undefined) throw new PlyError("internal", `stage ${index} is not in the plan`);
      const result = buildStage(session, planned).catch((error: unknown) => {
        stop.abort();
        throw error;
      });
      results.set(index, result);
      return result;
    },
  };
  return session;
}

/** Says which platform a step is for, where its stage is named. */
function ofPlatform(event: BuildEvent, platform: string): BuildEvent {
  if (!("step" in event)) return event;
  const { step } = event;
  const name = step.stage.name === undefined ? platform : `${platform} ${step.stage.name}`;
  return { ...event, step: { ...step, stage: { ...step.stage, name } } };
}

/** All stages side by side, as far as they do not wait for each other; the first failure is the build's. */
export async function buildStages({ graph, stageOf, options: { signal } }: Session): Promise<StageResult> {
  let first: { readonly error: unknown } | undefined;
  await Promise.all(
    graph.stages.map(({ stage }) =>
      stageOf(stage.index).catch((error: unknown) => {
        first ??= { error };
      }),
    ),
  );
  throwIfAborted(signal);
  if (first !== undefined) throw first.error;
  return stageOf(graph.target.stage.index);
}
