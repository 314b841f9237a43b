import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { parseDockerfile } from "../dockerfile/index.ts";
import { PlyError, throwIfAborted } from "../error.ts";
import { familiarString, type ImageConfig } from "../oci/index.ts";
import type { Builder, BuildOptions, BuildResult } from "./build.ts";
import { type BuildCache, openBuildCache } from "./cache.ts";
import { openBuildContext, openBuildContexts } from "./context.ts";
import { createFileDigests } from "./file-digests.ts";
import { checkFrontend } from "./frontend.ts";
import { planStages } from "./graph.ts";
import type { BuilderParts } from "./parts.ts";
import type { Session, StageResult } from "./session.ts";
import { openSources } from "./sources.ts";
import { buildStage } from "./stage.ts";
import { type BuildArgs, platformArgs } from "./variables.ts";

/** How long what a build made is kept when the engine dies in the middle. */
const LEASE_MS = 24 * 60 * 60 * 1000;

export function openBuilder(parts: BuilderParts): Builder {
  const { store } = parts;
  for (const directory of [parts.spool, parts.secrets]) {
    // What a build of an engine that was killed has left.
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  const digests = createFileDigests();
  const underway = new Map<string, AbortController>();
  const cache = openBuildCache({
    layerRecords: store.records("build-layer"),
    stepRecords: store.records("build-step"),
    leases: store.leases,
    layers: store.layers,
    clock: parts.clock,
  });
  return {
    async build(options) {
      const stop = new AbortController();
      const { id = randomUUID() } = options;
      underway.set(id, stop);
      try {
        return await buildImage(parts, cache, options, stop);
      } finally {
        underway.delete(id);
      }
    },
    cancel(id) {
      const found = underway.get(id);
      found?.abort(new PlyError("cancelled", "the build was cancelled"));
      return found !== undefined;
    },
    openContext: (source, options) => openBuildContext({ spool: parts.spool, digests }, source, options),
    openContexts: (sources, options) => openBuildContexts({ spool: parts.spool, digests }, sources, options),
    cache: {
      list: cache.list,
      async prune({ all, unusedSince, keepBytes }) {
        const steps = cache.list().sort((a, b) => b.lastUsedAt - a.lastUsedAt);
        let kept = 0;
        const doomed = steps.filter((step) => {
          if (unusedSince !== undefined && step.lastUsedAt > unusedSince) return false;
          if (keepBytes !== undefined) {
            kept += step.size;
            if (kept <= keepBytes) return false;
          }
          // Without `all`, as with BuildKit, what an image has too stays: it costs nothing.
          return all || !isInImage(parts, step.diffId);
        });
        for (const { key } of doomed) cache.remove(key);
        const { bytesFreed } = await store.collectGarbage();
        return { keys: doomed.map(({ key }) => key), bytesReclaimed: bytesFreed };
      },
    },
  };
}

function isInImage({ store }: BuilderParts, diffId: string | null): boolean {
  return store.images.list().some((image) => image.diffIds.some((each) => each === diffId));
}

async function buildImage(
  parts: BuilderParts,
  cache: BuildCache,
  options: BuildOptions,
  stop: AbortController,
): Promise<BuildResult> {
  throwIfAborted(options.signal);
  const owner = `build:${randomUUID()}`;
  const lease = parts.store.leases.hold(owner, parts.clock() + LEASE_MS);
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(async () => {
    parts.store.leases.end(owner);
    await parts.store.collectGarbage();
  });
  const sources = cleanup.use(openSources(parts, lease));
  checkFrontend(options.dockerfile, options.buildArgs ?? new Map());
  const file = parseDockerfile(options.dockerfile.text, options.dockerfile.name);
  const args: BuildArgs = {
    given: options.buildArgs ?? new Map(),
    platform: platformArgs(options.platform ?? parts.platform, parts.platform, options.target),
    global: new Map(),
    used: new Set(),
  };
  const graph = planStages(file, {
    target: options.target,
    args,
    contexts: new Set(options.contexts?.keys()),
  });
  const firstStep = new Map<number, number>();
  let total = 0;
  for (const { stage } of graph.stages) {
    firstStep.set(stage.index, total + 1);
    total += 1 + stage.instructions.length;
  }
  const results = new Map<number, Promise<StageResult>>();
  const session: Session = {
    parts,
    options,
    cache,
    args,
    graph,
    lease,
    sources,
    signal,
    now: Math.floor(parts.clock() / 1000),
    firstStep,
    total,
    emit: (event) => options.onEvent?.(event),
    stageOf(index) {
      const known = results.get(index);
      if (known !== undefined) return known;
      const planned = graph.stages.find(({ stage }) => stage.index === index);
      if (planned === undefined) throw new PlyError("internal", `stage ${index} is not in the plan`);
      const result = buildStage(session, planned).catch((error: unknown) => {
        // The others need not go on.
        stop.abort();
        throw error;
      });
      results.set(index, result);
      return result;
    },
  };
  const built = await allStages(session, options);
  warnUnused(session);
  const imageId = await putImage(session, built);
  return { imageId, names: (options.references ?? []).map(familiarString) };
}

/** All stages side by side, as far as they do not wait for each other; the first failure is the build's. */
async function allStages(session: Session, { signal }: BuildOptions): Promise<StageResult> {
  const { stages, target } = session.graph;
  let first: { readonly error: unknown } | undefined;
  await Promise.all(
    stages.map(({ stage }) =>
      session.stageOf(stage.index).catch((error: unknown) => {
        first ??= { error };
      }),
    ),
  );
  throwIfAborted(signal);
  if (first !== undefined) throw first.error;
  return session.stageOf(target.stage.index);
}

function warnUnused({ args, emit }: Session): void {
  const unused = [...args.given.keys()].filter((name) => !args.used.has(name) && !isForBuilder(name));
  if (unused.length > 0)
    emit({ kind: "warning", message: `One or more build-args [${unused.join(" ")}] were not consumed` });
}

/** Arguments that mean something to the builder itself. */
function isForBuilder(name: string): boolean {
  return name === "SOURCE_DATE_EPOCH" || name.startsWith("BUILDKIT_") || /_proxy$/i.test(name);
}

async function putImage(session: Session, built: StageResult): Promise<BuildResult["imageId"]> {
  const { options, parts, lease } = session;
  const { platform, author, history } = built;
  const labels = { ...built.config.Labels, ...options.labels };
  const config: ImageConfig = {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    ...(author === undefined ? {} : { author }),
    config: Object.keys(labels).length === 0 ? built.config : { ...built.config, Labels: labels },
    created: history.at(-1)?.created ?? new Date(0).toISOString(),
    history,
    rootfs: { type: "layers", diff_ids: built.diffIds },
  };
  return await parts.images.create(config, {
    lease,
    references: options.references ?? [],
    signal: session.signal,
  });
}
