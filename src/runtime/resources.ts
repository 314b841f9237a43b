import { access } from "node:fs/promises";
import { join } from "node:path";
import { readText } from "../host-file.ts";
import { resourceLimits } from "../linux/index.ts";
import { ownCapabilities } from "./capability.ts";
import { type Cgroups, hierarchyOf } from "./cgroup.ts";

/** What a container may use. Bytes; 0 and "" mean: no limit, or what is usual. */
export interface Resources {
  readonly memory: number;
  /** Memory and swap together; -1: swap without limit; 0: as much swap as memory. */
  readonly memorySwap: number;
  readonly memoryReservation: number;
  /** Billionths of a processor. */
  readonly nanoCpus: number;
  readonly cpuShares: number;
  /** Microseconds. */
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  /** `0-2,4`. */
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  /** Below 0: no limit. */
  readonly pidsLimit: number;
  /** 10 to 1000. */
  readonly blkioWeight: number;
  /** Of these devices of the host; rates in bytes or operations a second. */
  readonly deviceWeights?: readonly DeviceLimit[];
  readonly readBps?: readonly DeviceLimit[];
  readonly writeBps?: readonly DeviceLimit[];
  readonly readIops?: readonly DeviceLimit[];
  readonly writeIops?: readonly DeviceLimit[];
  /** Microseconds. */
  readonly cpuRealtimePeriod?: number;
  readonly cpuRealtimeRuntime?: number;
  /** 0 to 100; absent: as usual. */
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
}

export interface DeviceLimit {
  /** `/dev/sda`. */
  readonly path: string;
  readonly value: number;
}

export const NO_LIMITS: Resources = {
  memory: 0,
  memorySwap: 0,
  memoryReservation: 0,
  nanoCpus: 0,
  cpuShares: 0,
  cpuPeriod: 0,
  cpuQuota: 0,
  cpusetCpus: "",
  cpusetMems: "",
  pidsLimit: 0,
  blkioWeight: 0,
};

/** Which limits this host can hold. */
export interface LimitAbilities {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly cpu: boolean;
  readonly cpuset: boolean;
  readonly pids: boolean;
  readonly blkioWeight: boolean;
  readonly deviceWeights: boolean;
  readonly deviceRates: boolean;
  readonly cpuRealtime: boolean;
  readonly swappiness: boolean;
  readonly oomKillDisable: boolean;
  /** Rules on which devices may be used. */
  readonly devices: boolean;
  readonly processors: number;
}

const MAX_CPUS = 8192;

/** Looks at the controllers: each one where this host has it. `probe`: a cgroup below each hierarchy that is no root. */
export async function probeLimits(
  cgroups: Cgroups,
  hasCgroups: boolean,
  probe: string,
): Promise<LimitAbilities> {
  const unified = cgroups.layout === "v2" ? cgroups.hierarchies[0] : undefined;
  const controllers =
    unified === undefined ? [] : readText(join(unified, "cgroup.controllers")).trim().split(/\s+/);
  const has = (controller: string): boolean =>
    hasCgroups &&
    (unified === undefined
      ? hierarchyOf(cgroups, controller) !== undefined
      : controllers.includes(controller));
  const exists = async (controller: string, ...files: readonly string[]): Promise<boolean> => {
    const hierarchy = hierarchyOf(cgroups, controller);
    if (!has(controller) || hierarchy === undefined) return false;
    const found = await Promise.all(
      files.flatMap((file) => [
        accessible(join(hierarchy.path, file)),
        accessible(join(hierarchy.path, probe, file)),
      ]),
    );
    return found.includes(true);
  };
  const cpuset = hierarchyOf(cgroups, "cpuset")?.path;
  const online = readText("/sys/devices/system/cpu/online");
  return {
    memory: has("memory"),
    swap: unified === undefined ? await exists("memory", "memory.memsw.limit_in_bytes") : has("memory"),
    cpu: has("cpu"),
    cpuset: has("cpuset") && cpuset !== undefined,
    pids: has("pids"),
    // Only what every version of crun writes counts; kernels with nothing but blkio.bfq.weight get the warning.
    blkioWeight: unified === undefined ? await exists("blkio", "blkio.weight") : has("io"),
    deviceWeights: unified === undefined ? await exists("blkio", "blkio.weight_device") : has("io"),
    deviceRates: unified === undefined ? await exists("blkio", "blkio.throttle.read_bps_device") : has("io"),
    // The unified hierarchy has none of these.
    cpuRealtime: unified === undefined && (await exists("cpu", "cpu.rt_runtime_us")),
    swappiness: unified === undefined && (await exists("memory", "memory.swappiness")),
    oomKillDisable: unified === undefined && (await exists("memory", "memory.oom_control")),
    devices: hasCgroups && (unified === undefined ? has("devices") : mayLoadPrograms()),
    processors: Math.max(1, parseCpuList(online)?.size ?? 1),
  };
}

/** A line for each kind of limit that containers go without here; without any cgroups, that is said elsewhere. */
export function lostLimits(
  { memory, cpu, cpuset, pids, devices }: LimitAbilities,
  hasCgroups: boolean,
): string[] {
  const missing = hasCgroups ? Object.entries({ memory, cpu, cpuset, pids }) : [];
  const lost = missing
    .filter(([, isThere]) => !isThere)
    .map(([name]) => `no cgroup controller ${name}: its limits are discarded (see ply doctor)`);
  if (devices) return lost;
  return [
    ...lost,
    "no rules on devices: containers run without CAP_MKNOD, and device nodes of images do not open (see ply doctor)",
  ];
}

/** `0-2,4` → the numbers; undefined when it is no such list. */
export function parseCpuList(text: string): ReadonlySet<number> | undefined {
  const numbers = new Set<number>();
  for (const part of text.trim().split(",")) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    if (match === null) return undefined;
    const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (to < from || to > MAX_CPUS) return undefined;
    for (let each = from; each <= to; each++) numbers.add(each);
  }
  return numbers;
}

/**
 * On the unified hierarchy device rules are programs, for which the runtime lifts the limit of locked memory:
 * without the right to, it fails.
 */
export function mayLoadPrograms(): boolean {
  const own = resourceLimits().get("RLIMIT_MEMLOCK")?.hard ?? 0;
  return own === Number.POSITIVE_INFINITY || ownCapabilities().has("SYS_RESOURCE");
}

function accessible(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
