import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { isPlyError, PlyError, throwIfAborted } from "../error.ts";
import { unmountBelow } from "../overlay/index.ts";
import type { BuildOptions, BuildResult } from "./build.ts";
import type { Builder } from "./builder.ts";
import { type BuildCache, openBuildCache } from "./cache/cache.ts";
import { openCacheKeeper } from "./cache/cache-keeper.ts";
import { openProjects } from "./cache/project.ts";
import { type BuildMemory, createTrace } from "./cache/trace.ts";
import { openTraceShelf } from "./cache/trace-shelf.ts";
import { openCalls } from "./calls.ts";
import { withChecks } from "./checks.ts";
import { openBuildContext, openBuildContexts } from "./context/context.ts";
import { createFilePool } from "./context/file-pool.ts";
import { createHostMemory } from "./context/host-memory.ts";
import { imageOfLayout } from "./context/layout-context.ts";
import { createLayerSupply, type LayerSupply } from "./layer-supply.ts";
import { buildStages, openSessions } from "./open-session.ts";
import { checkOutputs, outputsOf } from "./output/asked-outputs.ts";
import { type BuiltStage, deliver } from "./output/deliver.ts";
import type { BuilderParts } from "./parts.ts";
import { openCaches } from "./remote-cache/open-caches.ts";
import type { Session } from "./session.ts";
import { openSources } from "./sources.ts";
import { type NotingTrace, notingSteps } from "./verify/made-steps.ts";
import { verifyBuild } from "./verify/verify-build.ts";

/** How long what a build made is kept when the engine dies in the middle. */
const LEASE_MS = 24 * 60 * 60 * 1000;

/** What builds of a killed engine left in `spool` and `secrets` is removed. One for a root. */
export function openBuilder(parts: BuilderParts): Builder {
  const { store } = parts;
  for (const directory of [parts.spool, parts.secrets]) {
    // What a build of an engine that was killed has left.
    unmountBelow(directory);
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  const { spool, repositories } = parts;
  const contextParts = { spool, repositories, memory: createHostMemory(), pool: createFilePool(spool) };
  const underway = new Map<string, AbortController>();
  const cache = openBuildCache({
    layerRecords: store.records("build-layer"),
    stepRecords: store.records("build-step"),
    definitionRecords: store.records("build-definition"),
    leases: store.leases,
    layers: store.layers,
    clock: parts.clock,
  });
  const memory: BuildMemory = {
    shelf: openTraceShelf(parts.traces),
    projects: openProjects(store.records("build-project"), parts.clock),
  };
  const keeper = openCacheKeeper({
    ...parts,
    cache,
    memory: {
      async trim(isCached) {
        await memory.shelf.trim(isCached);
        memory.projects.trim();
      },
      idle: () => memory.shelf.idle(),
    },
  });
  keeper.keepToPolicy();
  // Nobody goes on with what the last engine was building when it was killed.
  for (const owner of store.leases.owners()) if (/^build(?:-export)?:/.test(owner)) store.leases.end(owner);
  return {
    calls: openCalls(parts),
    async build(options) {
      const stop = new AbortController();
      const { id = randomUUID() } = options;
      underway.set(id, stop);
      try {
        using used = cache.forBuild();
        return await buildImage(parts, { cache: used, memory }, options, stop);
      } catch (error) {
        // Whatever it was that was interrupted.
        throw isPlyError(stop.signal.reason, "cancelled") ? stop.signal.reason : error;
      } finally {
        underway.delete(id);
        keeper.keepToPolicy();
      }
    },
    cancel(id) {
      const found = underway.get(id);
      found?.abort(new PlyError("cancelled", "the build was cancelled"));
      return found !== undefined;
    },
    cacheMounts: parts.cacheMounts,
    openContext: (source, options) => openBuildContext(contextParts, source, options),
    imageOfLayout: (layout, reference, platform = parts.platform) =>
      imageOfLayout(parts.images, layout, { reference, platform, signal: new AbortController().signal }),
    openContexts: (sources, options) => openBuildContexts(contextParts, sources, options),
    cache: keeper,
    [Symbol.asyncDispose]: () => keeper[Symbol.asyncDispose](),
  };
}

async function buildImage(
  parts: BuilderParts,
  { cache, memory }: { readonly cache: BuildCache; readonly memory: BuildMemory },
  asked: BuildOptions,
  stop: AbortController,
): Promise<BuildResult> {
  const options = asked.verify === true ? { ...asked, noCache: true } : asked;
  throwIfAborted(options.signal);
  checkOutputs(options);
  const owner = `build:${randomUUID()}`;
  const lease = parts.store.leases.hold(owner, parts.clock() + LEASE_MS);
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(async () => {
    parts.store.leases.end(owner);
    await parts.store.collectGarbage();
  });
  const warn = (message: string): void => options.onEvent?.({ kind: "warning", message });
  const supply = cleanup.use(createLayerSupply({ store: parts.store, lease, warn, signal }));
  const sources = cleanup.use(openSources(parts, { lease, supply }));
  const caches = cleanup.use(await openCaches({ parts, options, supply, lease, warn, signal }));
  const { imports } = caches;
  const imported: Session["imported"] = [];
  cleanup.defer(() => {
    for (const write of imported) write();
  });
  let trace: NotingTrace;
  cleanup.defer(() => trace.finish());
  const made = () => trace.steps;
  const shared = { parts, cache, imports, supply, imported, remoteBases: new Map(), lease, sources };
  const open = (attempt: BuildOptions): Session[] => {
    trace = notingSteps(createTrace(memory, attempt));
    const own = new AbortController();
    supply.stopWith(own.signal);
    const signals = { signal: AbortSignal.any([signal, own.signal]), stop: own };
    return openSessions({ ...shared, ...signals, options: attempt, trace });
  };
  let sessions = open(options);
  const built = await withChecks(sessions, async () => {
    for (let lost = 0; ; lost = supply.lostCount)
      try {
        return await buildSessions(sessions, supply);
      } catch (error) {
        if (signal.aborted || supply.lostCount === lost) throw error;
        // What stands on a layer that is nowhere any more was found in vain: all that is known is found again, the rest is made.
        sessions = open({ ...options, warnings: [] });
      }
  });
  warnUnused(sessions);
  await caches.hold(built);
  if (options.verify === true) await verifyBuild({ ...shared, options, signal }, made());
  const delivered = await deliver(built);
  await caches.send();
  return delivered;
}

/** Builds for each platform, and brings in the layers of what is asked for. */
async function buildSessions(sessions: readonly Session[], supply: LayerSupply): Promise<BuiltStage[]> {
  const built: BuiltStage[] = [];
  // One after the other: what is the same for all platforms, such as stages for $BUILDPLATFORM, the next one finds in the cache.
  for (const session of sessions) built.push({ session, result: await buildStages(session) });
  if (sessions.some(({ options }) => outputsOf(options).length > 0))
    await supply.bring(built.flatMap(({ result }) => result.diffIds));
  return built;
}

function warnUnused(sessions: readonly Session[]): void {
  const [first] = sessions;
  const given = [...(first?.args.given.keys() ?? [])];
  const unused = given.filter(
    (name) => !sessions.some(({ args }) => args.used.has(name)) && !isForBuilder(name),
  );
  if (unused.length > 0)
    first?.emit({
      kind: "warning",
      message: `One or more build-args [${unused.join(" ")}] were not consumed`,
    });
}

/** Arguments that mean something to the builder itself. */
function isForBuilder(name: string): boolean {
  return name === "SOURCE_DATE_EPOCH" || name.startsWith("BUILDKIT_") || /_proxy$/i.test(name);
}
