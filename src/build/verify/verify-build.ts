import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { PlyError } from "../../error.ts";
import { compareLayers, decodeIndex, type EntryDifference } from "../../layer/index.ts";
import type { LayerRecord, Layers } from "../../store/index.ts";
import type { BuildEvent, BuildOptions, BuildStep } from "../build.ts";
import type { BuildCache } from "../cache/cache.ts";
import { createLayerSupply } from "../layer-supply.ts";
import { buildStages, openSessions, type SharedBuild } from "../open-session.ts";
import { openImports } from "../remote-cache/import.ts";
import { openSources } from "../sources.ts";
import { differenceText } from "./difference-text.ts";
import { type MadeStep, NO_TRACE, notingSteps } from "./made-steps.ts";
import { openContents } from "./same-content.ts";

/** Longer than the second build may take. */
const LEASE_MS = 24 * 60 * 60 * 1000;
const STEPS_TOLD = 5;
const PATHS_TOLD = 10;

/** A step that made something else the second time. */
interface Deviation {
  readonly step: BuildStep;
  readonly differences: readonly EntryDifference[];
}

/**
 * Builds all steps a second time, of which nothing stays, and compares what each of them made. Throws "conflict" with the steps and
 * the first paths that differ.
 */
export async function verifyBuild(
  { parts, remoteBases, options, signal }: Pick<SharedBuild, "parts" | "remoteBases" | "options" | "signal">,
  made: readonly MadeStep[],
): Promise<void> {
  const { store, clock } = parts;
  for (const { layer } of made) await layer;
  // In another second than anything of the first build: else what depends on the time would differ only now and then.
  await setTimeout(1000 - (clock() % 1000), undefined, { signal });
  const owner = `build:${randomUUID()}`;
  const lease = store.leases.hold(owner, clock() + LEASE_MS);
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(async () => {
    store.leases.end(owner);
    await store.collectGarbage();
  });
  const unsaid = { warn: () => undefined, credentialsOf: undefined };
  const supply = cleanup.use(createLayerSupply({ store, lease, ...unsaid, signal }));
  const trace = notingSteps(NO_TRACE);
  const stop = new AbortController();
  const again = openSessions({
    ...{ parts, lease, supply, trace, stop, remoteBases },
    options: secondOf(options),
    cache: noCache(clock),
    imports: openImports({ ...parts, ...unsaid, supply, lease, platforms: [], signal }, []),
    imported: [],
    sources: cleanup.use(openSources(parts, { lease, supply })),
    signal: AbortSignal.any([signal, stop.signal]),
  });
  for (const session of again) await buildStages(session);
  const deviations = await compareSteps(store.layers, made, trace.steps);
  if (deviations.length > 0) throw notReproducible(deviations, made.length, options);
}

/** Every step is made; nothing of it is kept. */
function noCache(clock: () => number): BuildCache {
  const nothing = () => undefined;
  return {
    find: nothing,
    put: nothing,
    keyOf: nothing,
    define: nothing,
    createdAt: clock,
    knows: () => false,
  };
}

/** What the first build has said and pulled is not said and pulled again. */
function secondOf({ pull, onEvent, warnings: _said, explain: _why, ...options }: BuildOptions): BuildOptions {
  return {
    ...options,
    ...(pull === "never" ? { pull } : {}),
    onEvent(event) {
      if (event.kind === "step" || event.kind === "output" || event.kind === "pull")
        onEvent?.(ofAgain(event));
    },
  };
}

function ofAgain<Event extends Extract<BuildEvent, { readonly step: BuildStep }>>(event: Event): Event {
  const { stage } = event.step;
  const name = stage.name === undefined ? "again" : `again ${stage.name}`;
  return { ...event, step: { ...event.step, stage: { ...stage, name } } };
}

async function compareSteps(
  layers: Pick<Layers, "get">,
  first: readonly MadeStep[],
  second: readonly MadeStep[],
): Promise<Deviation[]> {
  const again = new Map(second.map(({ step, layer }) => [nameOf(step), layer]));
  const deviations: Deviation[] = [];
  for (const { step, layer } of first) {
    const [before, after] = [await layer, await again.get(nameOf(step))];
    if (before?.diffId === after?.diffId) continue;
    const [old, now] = [before, after].map((each) => (each === undefined ? each : layers.get(each.diffId)));
    deviations.push({ step, differences: await differencesOf(old, now) });
  }
  return deviations.sort(
    (a, b) => a.step.number - b.step.number || a.step.place.number - b.step.place.number,
  );
}

/** Triggers have the number of their FROM. */
function nameOf({ number, place }: BuildStep): string {
  return `${number} ${place.number}`;
}

async function differencesOf(
  before: LayerRecord | undefined,
  after: LayerRecord | undefined,
): Promise<EntryDifference[]> {
  const [old, now] = await Promise.all([before, after].map(entriesOf));
  if (old === undefined || now === undefined) return [];
  if (before === undefined || after === undefined) return await compareLayers(old, now, async () => true);
  await using contents = await openContents(before, after);
  return await compareLayers(old, now, contents.isSame);
}

async function entriesOf(layer: LayerRecord | undefined) {
  return layer === undefined ? { entries: [] } : decodeIndex(await readFile(join(layer.dir, "index")));
}

function notReproducible(
  deviations: readonly Deviation[],
  count: number,
  { times }: Pick<BuildOptions, "times">,
): PlyError {
  const lines = deviations
    .slice(0, STEPS_TOLD)
    .flatMap(({ step, differences }) => [
      `${step.at.file}:${step.at.start}: ${step.text.replace(/\s+/g, " ")}`,
      ...(differences.length === 0 ? ["  the archive alone: all its entries are the same"] : []),
      ...differences.slice(0, PATHS_TOLD).map((each) => `  ${differenceText(each)}`),
      ...more(differences.length - PATHS_TOLD, "  "),
    ]);
  const all = deviations.flatMap(({ differences }) => differences);
  const isOfTimes =
    all.length > 0 &&
    all.every(({ what }) => typeof what !== "string" && what.every((aspect) => aspect === "mtime"));
  return new PlyError(
    "conflict",
    [
      `the build is not reproducible: ${deviations.length} of ${count} steps made something else the second time`,
      ...lines,
      ...more(deviations.length - STEPS_TOLD, ""),
    ].join("\n"),
    isOfTimes && times === undefined
      ? { hint: "only times differ: --timestamp SECONDS or SOURCE_DATE_EPOCH makes them the same" }
      : {},
  );
}

function more(count: number, indent: string): string[] {
  return count > 0 ? [`${indent}… and ${count} more`] : [];
}
