import { formatBinarySize } from "../../byte-size.ts";
import type { DockerStats } from "../../wire/index.ts";
import { type Column, formatSize } from "../output/index.ts";
import { shortId } from "./ids.ts";

export interface StatsRow {
  /** As the user named it. */
  readonly name: string;
  readonly stats: DockerStats;
}

export const SHOWN_STATS = ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];

/** Docker's columns. */
export function statsColumns(full: boolean): Column<StatsRow>[] {
  return [
    { name: "Container", heading: "CONTAINER", value: ({ name }) => name },
    { name: "ID", heading: "CONTAINER ID", value: ({ stats: { id } }) => (full ? id : shortId(id)) },
    { name: "Name", heading: "NAME", value: ({ stats: { name } }) => name.replace(/^\//, "") },
    { name: "CPUPerc", heading: "CPU %", value: ({ stats }) => percent(cpuShare(stats)) },
    {
      name: "MemUsage",
      heading: "MEM USAGE / LIMIT",
      value: ({ stats }) =>
        `${formatBinarySize(memoryUsed(stats))} / ${formatBinarySize(stats.memory_stats.limit ?? 0)}`,
    },
    { name: "MemPerc", heading: "MEM %", value: ({ stats }) => percent(memoryShare(stats)) },
    {
      name: "NetIO",
      heading: "NET I/O",
      value: ({ stats: { networks } }) => {
        const each = Object.values(networks ?? {});
        return pair(
          sum(each.map(({ rx_bytes = 0 }) => rx_bytes)),
          sum(each.map(({ tx_bytes = 0 }) => tx_bytes)),
        );
      },
    },
    {
      name: "BlockIO",
      heading: "BLOCK I/O",
      value: ({ stats: { blkio_stats } }) => {
        const entries = blkio_stats.io_service_bytes_recursive ?? [];
        const of = (wanted: string) =>
          sum(entries.filter(({ op }) => op.toLowerCase() === wanted).map(({ value }) => value));
        return pair(of("read"), of("write"));
      },
    },
    { name: "PIDs", heading: "PIDS", value: ({ stats }) => String(stats.pids_stats.current ?? 0) },
  ];
}

/** Of one processor: 1.5 is one and a half of them. */
export function cpuShare({ cpu_stats: now, precpu_stats: before }: DockerStats): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const machine = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  if (used <= 0 || machine <= 0) return 0;
  return (used / machine) * (now.online_cpus || (now.cpu_usage.percpu_usage?.length ?? 1));
}

/** Without what the kernel would give back at once: cached files that were not used for a while. */
export function memoryUsed({ memory_stats: { usage = 0, stats = {} } }: DockerStats): number {
  const idle = stats["total_inactive_file"] ?? stats["inactive_file"] ?? 0;
  return idle < usage ? usage - idle : usage;
}

function memoryShare(stats: DockerStats): number {
  const { limit = 0 } = stats.memory_stats;
  return limit === 0 ? 0 : memoryUsed(stats) / limit;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)}%`;
}

function pair(first: number, second: number): string {
  return `${formatSize(first)} / ${formatSize(second)}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
