import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerRecord } from "../container/index.ts";
import { isPlyError } from "../error.ts";
import type { ResourceUsage } from "../runtime/index.ts";
import type { DockerCpuStats, DockerStats } from "../wire/index.ts";
import { drained, type Exchange, param, sendJson } from "./exchange.ts";
import { queryBoolean } from "./query.ts";
import type { Service } from "./service.ts";
import { formatTime } from "./timestamp.ts";

const INTERVAL_MS = 1000;

/** `GET /containers/{name}/stats?stream=&one-shot=`: a body a second until the container or the client has gone. */
export async function streamStats(exchange: Exchange, { engine }: Service): Promise<void> {
  const { query, response, signal } = exchange;
  const { id } = engine.containers.get(param(exchange, "name"));
  const sample = async (): Promise<
    { record: ContainerRecord; usage: ResourceUsage | undefined } | undefined
  > => {
    try {
      const usage = await engine.containers.usage(id);
      return { record: engine.containers.get(id), usage };
    } catch (error) {
      if (isPlyError(error, "not-found")) return undefined;
      throw error;
    }
  };
  const pause = () => sleep(INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  const isStream = queryBoolean(query, "stream", true);
  const first = await sample();
  if (!isStream) {
    let [before, now] = [undefined as ResourceUsage | undefined, first];
    // A rate takes two looks; who wants but one says so. What does not run has none to wait for.
    if (!queryBoolean(query, "one-shot") && first?.usage !== undefined) {
      await pause();
      [before, now] = [first.usage, (await sample()) ?? first];
    }
    if (signal.aborted) return;
    const record = now?.record ?? engine.containers.get(id);
    return sendJson(exchange, 200, dockerStats(record, now?.usage, before));
  }
  response.writeHead(200, { "Content-Type": "application/json" });
  let before: ResourceUsage | undefined;
  for (let now = first; now !== undefined && !signal.aborted; now = await sample()) {
    const line = `${JSON.stringify(dockerStats(now.record, now.usage, before))}\n`;
    if (!response.write(line)) await drained(response, signal);
    before = now.usage;
    await pause();
  }
  response.end();
}

/** One sample in Docker's form, with the one before it for rates. */
function dockerStats(
  { id, name }: Pick<ContainerRecord, "id" | "name">,
  usage: ResourceUsage | undefined,
  before: ResourceUsage | undefined,
): DockerStats {
  const empty = { read: formatTime(null), preread: formatTime(null) };
  return {
    id,
    name: `/${name}`,
    ...empty,
    ...(usage === undefined ? {} : { read: formatTime(usage.at) }),
    ...(before === undefined ? {} : { preread: formatTime(before.at) }),
    num_procs: 0,
    storage_stats: {},
    pids_stats: pidsOf(usage),
    blkio_stats: {
      io_service_bytes_recursive: usage === undefined ? null : ioOf(usage),
      io_serviced_recursive: null,
      io_queue_recursive: null,
      io_service_time_recursive: null,
      io_wait_time_recursive: null,
      io_merged_recursive: null,
      io_time_recursive: null,
      sectors_recursive: null,
    },
    cpu_stats: cpuOf(usage),
    precpu_stats: cpuOf(before),
    memory_stats: memoryOf(usage),
    ...(usage === undefined || Object.keys(usage.networks).length === 0
      ? {}
      : { networks: networksOf(usage) }),
  };
}

function pidsOf(usage: ResourceUsage | undefined): DockerStats["pids_stats"] {
  if (usage === undefined) return {};
  const { current, limit } = usage.processes;
  return { current, ...(limit === undefined ? {} : { limit }) };
}

function ioOf({ io, isUnified }: ResourceUsage) {
  // The kernel's own words for the two, which differ between the versions of cgroups.
  const [read, write] = isUnified ? ["read", "write"] : ["Read", "Write"];
  return io.flatMap(({ major, minor, read: bytesRead, written }) => [
    { major, minor, op: read ?? "", value: bytesRead },
    { major, minor, op: write ?? "", value: written },
  ]);
}

function cpuOf(usage: ResourceUsage | undefined): DockerCpuStats {
  const cpu = usage?.cpu;
  return {
    cpu_usage: {
      total_usage: cpu?.total ?? 0,
      ...(cpu === undefined || cpu.perCpu.length === 0 ? {} : { percpu_usage: cpu.perCpu }),
      usage_in_kernelmode: cpu?.system ?? 0,
      usage_in_usermode: cpu?.user ?? 0,
    },
    ...(cpu === undefined ? {} : { system_cpu_usage: cpu.machine, online_cpus: cpu.processors }),
    throttling_data: {
      periods: cpu?.periods ?? 0,
      throttled_periods: cpu?.throttledPeriods ?? 0,
      throttled_time: cpu?.throttled ?? 0,
    },
  };
}

function memoryOf(usage: ResourceUsage | undefined): DockerStats["memory_stats"] {
  if (usage === undefined) return {};
  const { memory } = usage;
  return {
    usage: memory.usage,
    ...(memory.peak === undefined ? {} : { max_usage: memory.peak }),
    ...(memory.failures === undefined ? {} : { failcnt: memory.failures }),
    stats: memory.detail,
    limit: memory.limit,
  };
}

function networksOf({ networks }: ResourceUsage): NonNullable<DockerStats["networks"]> {
  return Object.fromEntries(
    Object.entries(networks).map(([name, each]) => [
      name,
      {
        rx_bytes: each.rxBytes,
        rx_packets: each.rxPackets,
        rx_errors: each.rxErrors,
        rx_dropped: each.rxDropped,
        tx_bytes: each.txBytes,
        tx_packets: each.txPackets,
        tx_errors: each.txErrors,
        tx_dropped: each.txDropped,
      },
    ]),
  );
}
