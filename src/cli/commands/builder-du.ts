import type { DockerBuildCache } from "../../wire/index.ts";
import { command } from "../command.ts";
import { formatListing, formatSize, listing, type Output, printable } from "../output/index.ts";
import { buildCacheColumns, buildCacheTotals } from "./build-cache-rows.ts";
import { FILTER_FLAG, filtersParameter, parseFilters } from "./filter-flag.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    verbose: { kind: "bool", short: "v", help: "All that is known of each" },
    filter: FILTER_FLAG,
    format: LIST_FORMAT_FLAG,
  },
  description:
    "Shared is what an image has too: it stays when the cache goes. Filters: those of ply builder prune. Template fields: .ID .Parent .CacheType .Size .CreatedAt .CreatedSince .LastUsedAt .LastUsedSince .UsageCount .InUse .Shared .Reclaimable .Description",
  examples: [
    ["ply builder du --filter type=exec.cachemount", "what RUN --mount=type=cache keeps"],
    ["ply builder du --filter unused-for=7d", "what nobody used for a week"],
  ],
  async run({ engine }, flags): Promise<Output> {
    const cache = await engine.json<DockerBuildCache[]>("GET", "/ply/build/cache", {
      query: { filters: filtersParameter(parseFilters(flags.filter, Date.now())) },
    });
    const rows = listing({
      columns: buildCacheColumns({ nowMs: Date.now(), noTrunc: flags.verbose }),
      rows: cache,
      shown: ["ID", "CacheType", "Reclaimable", "Size", "LastUsedSince", "Shared", "Description"],
      format: flags.format,
    });
    if (flags.format !== undefined) return rows;
    const shown = flags.verbose ? cache.flatMap(verboseLines) : [...formatListing(rows.listing), ""];
    return { kind: "lines", lines: [...shown, ...totalLines(cache)] };
  },
});

/** As `docker buildx du --verbose` has them. */
function verboseLines(each: DockerBuildCache): string[] {
  const fields: readonly (readonly [name: string, value: string])[] = [
    ["ID", each.ID],
    ...(each.Parents === undefined ? [] : [["Parents", each.Parents.join(", ")] as const]),
    ["Created at", each.CreatedAt],
    ["Reclaimable", String(!each.InUse)],
    ["Shared", String(each.Shared)],
    ["Size", formatSize(each.Size)],
    ["Description", printable(each.Description)],
    ["Usage count", String(each.UsageCount)],
    ["Last used", each.LastUsedAt ?? ""],
    ["Type", each.Type],
  ];
  return [...fields.map(([name, value]) => `${`${name}:`.padEnd(14)}${value}`), ""];
}

function totalLines(cache: readonly DockerBuildCache[]): string[] {
  const { shared, own, reclaimable, total } = buildCacheTotals(cache);
  const rows = { Shared: shared, Private: own, Reclaimable: reclaimable, Total: total };
  return Object.entries(rows).map(([name, bytes]) => `${`${name}:`.padEnd(14)}${formatSize(bytes)}`);
}
