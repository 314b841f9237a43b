import type {
  DockerBuildPrune,
  DockerContainerPrune,
  DockerNetworkPrune,
  DockerVolumePrune,
  PlyPruneRequest,
  PlyPruneResponse,
} from "../../wire/index.ts";
import type { CommandContext } from "../command.ts";
import { UsageError } from "../failure.ts";
import { formatSize, type Output } from "../output/index.ts";
import { type Filters, filtersParameter, parseFilters } from "./filter-flag.ts";

const CLOCKS: Readonly<Record<string, "built" | "arrived" | "used">> = {
  until: "built",
  "built-until": "built",
  "pulled-until": "arrived",
  "arrived-until": "arrived",
  "used-until": "used",
};

/** `--filter` words as the prune request has them. */
export function pruneFilter(words: readonly string[], nowMs: number): NonNullable<PlyPruneRequest["filter"]> {
  const filters: Filters = parseFilters(words, nowMs);
  const filter: {
    labels?: readonly string[];
    notLabels?: readonly string[];
    references?: readonly string[];
    until?: { at: number; clock: "built" | "arrived" | "used" };
  } = {};
  for (const [name, values] of Object.entries(filters)) {
    const clock = CLOCKS[name];
    if (name === "label") filter.labels = values;
    else if (name === "label!") filter.notLabels = values;
    else if (name === "reference") filter.references = values;
    else if (clock !== undefined && filter.until === undefined)
      filter.until = { at: Math.round(Number(values.at(-1)) * 1000), clock };
    else
      throw new UsageError(
        clock === undefined ? `invalid filter '${name}'` : "only one of the until filters can be given",
      );
  }
  return filter;
}

/** Asks before something is removed; without an answer it is no. */
export async function confirm({ stdio }: CommandContext, warning: string): Promise<boolean> {
  stdio.out(`${warning}\nAre you sure you want to continue? [y/N] `);
  const answer = await stdio.readLine();
  if (answer === undefined) stdio.out("\n");
  return /^y(es)?$/i.test(answer?.trim() ?? "");
}

/** What went, under its heading, with an empty line after it; nothing when nothing went. Bytes. */
export interface Pruned {
  readonly deleted: readonly string[];
  readonly bytes: number;
}

/** Prunes images and says what went and what it freed. */
export async function pruneImages(context: CommandContext, request: PlyPruneRequest): Promise<Output> {
  const { deleted, bytes } = await prunedImages(context, request);
  const total = request.dryRun === true ? "Total space it would reclaim" : "Total reclaimed space";
  return { kind: "lines", lines: [...deleted, `${total}: ${formatSize(bytes, 4)}`] };
}

export async function prunedImages({ engine }: CommandContext, request: PlyPruneRequest): Promise<Pruned> {
  const { removed, bytesReclaimed } = await engine.json<PlyPruneResponse>("POST", "/ply/images/prune", {
    json: request,
  });
  const words = removed.map(({ untagged, deleted }) =>
    deleted === undefined ? `untagged: ${untagged ?? ""}` : `deleted: ${deleted}`,
  );
  const heading = request.dryRun === true ? "Would delete images:" : "Deleted Images:";
  return { deleted: under(heading, words), bytes: bytesReclaimed };
}

/** `filter` are the words of `--filter`. */
export async function pruneContainers(
  { engine }: CommandContext,
  filter: readonly string[],
): Promise<Pruned> {
  const { ContainersDeleted, SpaceReclaimed } = await engine.json<DockerContainerPrune>(
    "POST",
    "/containers/prune",
    { query: { filters: filtersParameter(parseFilters(filter, Date.now())) } },
  );
  return { deleted: under("Deleted Containers:", ContainersDeleted ?? []), bytes: SpaceReclaimed };
}

/** Volumes have no time that `until` could be about: it counts for the rest. */
export async function pruneVolumes({ engine }: CommandContext, filter: readonly string[]): Promise<Pruned> {
  const { until: _until, ...filters } = parseFilters(filter, Date.now());
  const { VolumesDeleted, SpaceReclaimed } = await engine.json<DockerVolumePrune>("POST", "/volumes/prune", {
    query: { filters: filtersParameter(filters) },
  });
  return { deleted: under("Deleted Volumes:", VolumesDeleted ?? []), bytes: SpaceReclaimed };
}

/** What went, as Docker's client tells it. */
export async function pruneNetworks(
  { engine }: CommandContext,
  filter: readonly string[],
): Promise<string[]> {
  const { NetworksDeleted } = await engine.json<DockerNetworkPrune>("POST", "/networks/prune", {
    query: { filters: filtersParameter(parseFilters(filter, Date.now())) },
  });
  return under("Deleted Networks:", NetworksDeleted ?? []);
}

/** What builds keep; `limits`: bytes, by their names in the query. */
export async function pruneBuildCache(
  { engine }: CommandContext,
  {
    all,
    filter,
    limits = {},
  }: {
    readonly all: boolean;
    readonly filter: readonly string[];
    readonly limits?: Readonly<Record<string, number | undefined>>;
  },
): Promise<Pruned> {
  const { CachesDeleted, SpaceReclaimed } = await engine.json<DockerBuildPrune>("POST", "/build/prune", {
    query: { all, ...limits, filters: filtersParameter(parseFilters(filter, Date.now())) },
  });
  return { deleted: under("Deleted build cache objects:", CachesDeleted ?? []), bytes: SpaceReclaimed };
}

function under(heading: string, words: readonly string[]): string[] {
  return words.length === 0 ? [] : [heading, ...words, ""];
}
