import type { PlyPruneRequest, PlyPruneResponse } from "../../wire/index.ts";
import type { CommandContext } from "../command.ts";
import { UsageError } from "../failure.ts";
import { formatSize, type Output } from "../output/index.ts";
import { type Filters, parseFilters } from "./filter-flag.ts";

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

/** Prunes images and says what went and what it freed. */
export async function pruneImages({ engine }: CommandContext, request: PlyPruneRequest): Promise<Output> {
  const { removed, bytesReclaimed } = await engine.json<PlyPruneResponse>("POST", "/ply/images/prune", {
    json: request,
  });
  const dry = request.dryRun === true;
  const lines = removed.map(({ untagged, deleted }) =>
    deleted === undefined ? `untagged: ${untagged ?? ""}` : `deleted: ${deleted}`,
  );
  return {
    kind: "lines",
    lines: [
      ...(lines.length === 0 ? [] : [dry ? "Would delete images:" : "Deleted Images:", ...lines, ""]),
      `${dry ? "Total space it would reclaim" : "Total reclaimed space"}: ${formatSize(bytesReclaimed, 4)}`,
    ],
  };
}
