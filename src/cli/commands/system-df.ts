import type { PlyDiskUsage, PlyImage } from "../../wire/index.ts";
import { command } from "../command.ts";
import { type Column, formatListing, formatSize, listing, type Output } from "../output/index.ts";
import { buildCacheColumns, buildCacheTotals } from "./build-cache-rows.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";
import { shortId } from "./ids.ts";
import { factsOfPlyImage, imageColumns, imageRows } from "./image-rows.ts";

interface UsageRow {
  readonly type: string;
  readonly total: number;
  readonly active: number;
  readonly size: number;
  readonly reclaimable: number;
}

const COLUMNS: readonly Column<UsageRow>[] = [
  { name: "Type", heading: "TYPE", value: ({ type }) => type },
  { name: "TotalCount", heading: "TOTAL", value: ({ total }) => String(total) },
  { name: "Active", heading: "ACTIVE", value: ({ active }) => String(active) },
  { name: "Size", heading: "SIZE", value: ({ size }) => formatSize(size, 4) },
  {
    name: "Reclaimable",
    heading: "RECLAIMABLE",
    value: ({ reclaimable, size }) =>
      size > 0
        ? `${formatSize(reclaimable, 4)} (${Math.floor((reclaimable / size) * 100)}%)`
        : formatSize(reclaimable, 4),
  },
];

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    verbose: {
      kind: "bool",
      short: "v",
      help: "Each image, container, volume and kept step with what it costs",
    },
    format: LIST_FORMAT_FLAG,
  },
  description:
    "Layers are counted once, however many images share them. Reclaimable is what at least comes free when everything unused goes.",
  async run({ engine }, flags): Promise<Output> {
    const usage = await engine.json<PlyDiskUsage>("GET", "/ply/system/df");
    if (flags.verbose && flags.format === undefined) return { kind: "lines", lines: verboseLines(usage) };
    return listing({
      columns: COLUMNS,
      rows: usageRows(usage),
      shown: ["Type", "TotalCount", "Active", "Size", "Reclaimable"],
      format: flags.format,
    });
  },
});

function usageRows(usage: PlyDiskUsage): UsageRow[] {
  const { images, containers, volumes, layersSize, buildCache, snapshots } = usage;
  const cacheTotals = buildCacheTotals(buildCache);
  const active = images.filter((image) => image.containers.length > 0);
  const running = containers.filter(({ status }) => status === "running");
  const sum = (sizes: readonly number[]): number => sizes.reduce((all, size) => all + size, 0);
  const containersSize = sum(containers.map(({ size }) => size));
  const unusedVolumes = volumes.filter(({ users }) => users === 0);
  return [
    {
      type: "Images",
      total: images.length,
      active: active.length,
      size: layersSize,
      // What unused images share among themselves comes free as well, but is not told apart: a lower bound.
      reclaimable:
        active.length === 0 ? layersSize : sum(images.filter(isUnused).map(({ sizes }) => sizes.unique)),
    },
    {
      type: "Containers",
      total: containers.length,
      active: running.length,
      size: containersSize,
      reclaimable: containersSize - sum(running.map(({ size }) => size)),
    },
    {
      type: "Local Volumes",
      total: volumes.length,
      active: volumes.length - unusedVolumes.length,
      size: sum(volumes.map(({ size }) => size)),
      reclaimable: sum(unusedVolumes.map(({ size }) => size)),
    },
    {
      type: "Build Cache",
      total: buildCache.length,
      active: buildCache.filter(({ InUse }) => InUse).length,
      // What images have too is counted there.
      size: cacheTotals.own,
      reclaimable: cacheTotals.reclaimable,
    },
    // Docker has none.
    ...(snapshots === undefined
      ? []
      : [
          {
            type: "Snapshots",
            total: snapshots.count,
            active: 0,
            size: snapshots.size,
            reclaimable: snapshots.size,
          },
        ]),
  ];
}

function isUnused(image: PlyImage): boolean {
  return image.containers.length === 0;
}

function verboseLines(usage: PlyDiskUsage): string[] {
  const images = listing({
    columns: imageColumns({ noTrunc: false, nowMs: Date.now() }),
    rows: imageRows(usage.images.map(factsOfPlyImage), { digests: false }),
    shown: ["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"],
  });
  const containers = listing({
    columns: [
      { name: "ID", heading: "CONTAINER ID", value: ({ id }) => shortId(id) },
      { name: "Image", heading: "IMAGE", value: ({ image }) => image },
      { name: "Size", heading: "SIZE", value: ({ size }) => formatSize(size) },
      { name: "Status", heading: "STATUS", value: ({ status }) => status },
      { name: "Name", heading: "NAMES", value: ({ name }) => name },
    ],
    rows: usage.containers,
    shown: ["ID", "Image", "Size", "Status", "Name"],
  });
  const volumes = listing({
    columns: [
      { name: "Name", heading: "VOLUME NAME", value: ({ name }) => name },
      { name: "Links", heading: "LINKS", value: ({ users }) => String(users) },
      { name: "Size", heading: "SIZE", value: ({ size }) => formatSize(size) },
    ],
    rows: usage.volumes,
    shown: ["Name", "Links", "Size"],
  });
  const cache = listing({
    columns: buildCacheColumns({ noTrunc: false, nowMs: Date.now() }),
    rows: usage.buildCache,
    shown: ["ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared"],
  });
  return [
    "Images space usage:",
    "",
    ...formatListing(images.listing),
    "",
    "Containers space usage:",
    "",
    ...formatListing(containers.listing),
    "",
    "Local Volumes space usage:",
    "",
    ...formatListing(volumes.listing),
    "",
    `Build cache usage: ${formatSize(buildCacheTotals(usage.buildCache).own)}`,
    "",
    ...formatListing(cache.listing),
  ];
}
