import type { DockerBuildCache } from "../../wire/index.ts";
import { type Column, formatAgo, formatSize } from "../output/index.ts";
import { shortId } from "./ids.ts";

/** What builds keep, as Docker's clients show it. */
export function buildCacheColumns(options: {
  readonly nowMs: number;
  readonly noTrunc: boolean;
}): readonly Column<DockerBuildCache>[] {
  const ago = (time: string | null): string =>
    time === null ? "" : formatAgo(Date.parse(time), options.nowMs);
  const idOf = ({ ID, InUse }: DockerBuildCache): string =>
    `${options.noTrunc ? ID : shortId(ID)}${InUse ? "*" : ""}`;
  return [
    { name: "ID", heading: "CACHE ID", value: idOf },
    { name: "Parent", heading: "PARENT", value: ({ Parents = [] }) => Parents.map(shortId).join(", ") },
    { name: "CacheType", heading: "CACHE TYPE", value: ({ Type }) => Type },
    { name: "Size", heading: "SIZE", value: ({ Size }) => formatSize(Size) },
    { name: "CreatedAt", heading: "CREATED AT", value: ({ CreatedAt }) => CreatedAt },
    { name: "CreatedSince", heading: "CREATED", value: ({ CreatedAt }) => ago(CreatedAt) },
    { name: "LastUsedAt", heading: "LAST USED AT", value: ({ LastUsedAt }) => LastUsedAt ?? "" },
    { name: "LastUsedSince", heading: "LAST USED", value: ({ LastUsedAt }) => ago(LastUsedAt) },
    { name: "UsageCount", heading: "USAGE", value: ({ UsageCount }) => String(UsageCount) },
    { name: "InUse", heading: "IN USE", value: ({ InUse }) => String(InUse) },
    { name: "Shared", heading: "SHARED", value: ({ Shared }) => String(Shared) },
    { name: "Reclaimable", heading: "RECLAIMABLE", value: (each) => String(!each.InUse) },
    {
      name: "Description",
      heading: "DESCRIPTION",
      value: ({ Description }) => Description.replace(/\s+/g, " "),
    },
  ];
}

/** Bytes in all, and of them those that something else needs too, and those that come free. */
export function buildCacheTotals(cache: readonly DockerBuildCache[]): {
  readonly total: number;
  readonly shared: number;
  readonly own: number;
  readonly reclaimable: number;
} {
  const sum = (counts: (each: DockerBuildCache) => boolean): number =>
    cache.reduce((bytes, each) => bytes + (counts(each) ? each.Size : 0), 0);
  const shared = sum(({ Shared }) => Shared);
  const own = sum(({ Shared }) => !Shared);
  return { total: shared + own, shared, own, reclaimable: sum(({ Shared, InUse }) => !Shared && !InUse) };
}
