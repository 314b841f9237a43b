import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readText as readNow } from "../host-file.ts";
import { type Cgroups, hierarchyOf } from "./cgroup.ts";

/** What a container has used so far, and what it holds now. Times in nanoseconds, sizes in bytes. */
export interface ResourceUsage {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly isUnified: boolean;
  readonly cpu: {
    readonly total: number;
    readonly user: number;
    readonly system: number;
    /** Of the whole machine, idle time included. */
    readonly machine: number;
    readonly perCpu: readonly number[];
    readonly processors: number;
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttled: number;
  };
  readonly memory: {
    readonly usage: number;
    /** v1 only. */
    readonly peak: number | undefined;
    readonly failures: number | undefined;
    /** The machine's memory where no limit is set. */
    readonly limit: number;
    /** memory.stat as it is. */
    readonly detail: Readonly<Record<string, number>>;
  };
  readonly processes: { readonly current: number; readonly limit: number | undefined };
  readonly io: readonly {
    readonly major: number;
    readonly minor: number;
    readonly read: number;
    readonly written: number;
  }[];
  /** Interfaces of its network namespace, `lo` left out. */
  readonly networks: Readonly<Record<string, NetworkUsage>>;
}

export interface NetworkUsage {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

const NS_PER_TICK = 10_000_000;

/** Reads the files of a container's cgroups. What a host does not have counts as zero. */
export async function readUsage(
  cgroups: Cgroups,
  path: string,
  options: { readonly pid: number; readonly ownNetwork: boolean; readonly at: number },
): Promise<ResourceUsage> {
  const read = (controller: string, file: string): Promise<string> => {
    const hierarchy = hierarchyOf(cgroups, controller);
    return hierarchy === undefined ? Promise.resolve("") : readText(join(hierarchy.path, path, file));
  };
  const isUnified = cgroups.layout === "v2";
  const [procStat, meminfo, network] = await Promise.all([
    readText("/proc/stat"),
    readText("/proc/meminfo"),
    options.ownNetwork && options.pid > 0 ? readText(`/proc/${options.pid}/net/dev`) : "",
  ]);
  const machine = parseMachine(procStat);
  const machineMemory = Number(/^MemTotal:\s+(\d+)/m.exec(meminfo)?.[1] ?? 0) * 1024;
  const rest = { at: options.at, isUnified, networks: parseNetDev(network) };
  const limitOf = (text: string): number => {
    const limit = numberIn(text);
    return limit === undefined || limit > machineMemory ? machineMemory : limit;
  };
  if (isUnified) {
    const [cpuStat, usage, limit, detail, current, most, io] = await Promise.all([
      read("cpu", "cpu.stat"),
      read("memory", "memory.current"),
      read("memory", "memory.max"),
      read("memory", "memory.stat"),
      read("pids", "pids.current"),
      read("pids", "pids.max"),
      read("io", "io.stat"),
    ]);
    const cpu = parseKeyed(cpuStat);
    return {
      ...rest,
      cpu: {
        total: (cpu["usage_usec"] ?? 0) * 1000,
        user: (cpu["user_usec"] ?? 0) * 1000,
        system: (cpu["system_usec"] ?? 0) * 1000,
        ...machine,
        perCpu: [],
        periods: cpu["nr_periods"] ?? 0,
        throttledPeriods: cpu["nr_throttled"] ?? 0,
        throttled: (cpu["throttled_usec"] ?? 0) * 1000,
      },
      memory: {
        usage: numberIn(usage) ?? 0,
        peak: undefined,
        failures: undefined,
        limit: limitOf(limit),
        detail: parseKeyed(detail),
      },
      processes: { current: numberIn(current) ?? 0, limit: numberIn(most) },
      io: parseIoStat(io),
    };
  }
  const [total, perCpu, ticks, throttling, usage, peak, failures, limit, detail, current, most, io] =
    await Promise.all([
      read("cpuacct", "cpuacct.usage"),
      read("cpuacct", "cpuacct.usage_percpu"),
      read("cpuacct", "cpuacct.stat"),
      read("cpu", "cpu.stat"),
      read("memory", "memory.usage_in_bytes"),
      read("memory", "memory.max_usage_in_bytes"),
      read("memory", "memory.failcnt"),
      read("memory", "memory.limit_in_bytes"),
      read("memory", "memory.stat"),
      read("pids", "pids.current"),
      read("pids", "pids.max"),
      read("blkio", "blkio.throttle.io_service_bytes"),
    ]);
  const spent = parseKeyed(ticks);
  const throttled = parseKeyed(throttling);
  return {
    ...rest,
    cpu: {
      total: numberIn(total) ?? 0,
      user: (spent["user"] ?? 0) * NS_PER_TICK,
      system: (spent["system"] ?? 0) * NS_PER_TICK,
      ...machine,
      perCpu: perCpu.trim() === "" ? [] : perCpu.trim().split(/\s+/).map(Number),
      periods: throttled["nr_periods"] ?? 0,
      throttledPeriods: throttled["nr_throttled"] ?? 0,
      throttled: throttled["throttled_time"] ?? 0,
    },
    memory: {
      usage: numberIn(usage) ?? 0,
      peak: numberIn(peak),
      failures: numberIn(failures),
      limit: limitOf(limit),
      detail: parseKeyed(detail),
    },
    processes: { current: numberIn(current) ?? 0, limit: numberIn(most) },
    io: parseServiceBytes(io),
  };
}

/** How many of a cgroup's processes the kernel killed for want of memory. Asked after its end, before its removal. */
export function readOomKills(cgroups: Cgroups, path: string): number {
  const hierarchy = hierarchyOf(cgroups, "memory");
  if (hierarchy === undefined) return 0;
  const file = hierarchy.isUnified ? "memory.events" : "memory.oom_control";
  return parseKeyed(readNow(join(hierarchy.path, path, file)))["oom_kill"] ?? 0;
}

/** `name number` lines; anything else is passed over. */
function parseKeyed(text: string): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [, name = "", digits] of text.matchAll(/^(\S+) (\d+)$/gm)) values[name] = Number(digits);
  return values;
}

/** The lone number of a file; undefined for `max` and for none. */
function numberIn(text: string): number | undefined {
  const trimmed = text.trim();
  return /^\d+$/.test(trimmed) ? Number(trimmed) : undefined;
}

/** proc_stat(5): the first line sums up all processors, one line each follows. */
export function parseMachine(text: string): { readonly machine: number; readonly processors: number } {
  const ticks = (/^cpu +(.*)$/m.exec(text)?.[1] ?? "").split(/\s+/).slice(0, 8).map(Number);
  return {
    machine: ticks.reduce((sum, each) => sum + each, 0) * NS_PER_TICK,
    processors: Math.max(1, text.match(/^cpu\d+ /gm)?.length ?? 1),
  };
}

/** v2: `8:0 rbytes=… wbytes=… …`. */
function parseIoStat(text: string): { major: number; minor: number; read: number; written: number }[] {
  return [...text.matchAll(/^(\d+):(\d+) (.*)$/gm)].map(([, major, minor, fields = ""]) => ({
    major: Number(major),
    minor: Number(minor),
    read: Number(/\brbytes=(\d+)/.exec(fields)?.[1] ?? 0),
    written: Number(/\bwbytes=(\d+)/.exec(fields)?.[1] ?? 0),
  }));
}

/** v1: `8:0 Read 4096`, one operation a line. */
function parseServiceBytes(text: string): { major: number; minor: number; read: number; written: number }[] {
  const devices = new Map<string, { major: number; minor: number; read: number; written: number }>();
  for (const [, major, minor, operation, bytes] of text.matchAll(/^(\d+):(\d+) (Read|Write) (\d+)$/gm)) {
    const key = `${major}:${minor}`;
    const device = devices.get(key) ?? { major: Number(major), minor: Number(minor), read: 0, written: 0 };
    devices.set(key, device);
    if (operation === "Read") device.read += Number(bytes);
    else device.written += Number(bytes);
  }
  return [...devices.values()];
}

/** proc_pid_net(5): two lines of headings, then 16 numbers for each interface. */
export function parseNetDev(text: string): Record<string, NetworkUsage> {
  const networks: Record<string, NetworkUsage> = {};
  for (const [, name = "", fields = ""] of text.matchAll(/^\s*([^\s:|]+):\s*(.*)$/gm)) {
    if (name === "lo") continue;
    const numbers = fields.trim().split(/\s+/).map(Number);
    const at = (index: number) => numbers[index] ?? 0;
    networks[name] = {
      rxBytes: at(0),
      rxPackets: at(1),
      rxErrors: at(2),
      rxDropped: at(3),
      txBytes: at(8),
      txPackets: at(9),
      txErrors: at(10),
      txDropped: at(11),
    };
  }
  return networks;
}

function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
