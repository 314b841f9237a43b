import { blockDevice } from "./block-device.ts";
import type { LimitAbilities, Resources } from "./resources.ts";

const DEFAULT_PERIOD_US = 100_000;

/** The part of `linux.resources` (runtime-spec, config-linux.md) about these limits. */
export interface OciLimits {
  readonly memory?: {
    readonly limit?: number;
    readonly swap?: number;
    readonly reservation?: number;
    readonly swappiness?: number;
    readonly disableOOMKiller?: boolean;
  };
  readonly cpu?: {
    readonly shares?: number;
    readonly quota?: number;
    readonly period?: number;
    readonly realtimePeriod?: number;
    readonly realtimeRuntime?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  readonly pids?: { readonly limit: number };
  readonly blockIO?: {
    readonly weight?: number;
    readonly weightDevice?: readonly (DeviceNumber & { readonly weight: number })[];
  } & Readonly<Partial<Record<(typeof RATE_FIELDS)[keyof typeof RATE_FIELDS], readonly DeviceRate[]>>>;
}

interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

type DeviceRate = DeviceNumber & { readonly rate: number };

const RATE_FIELDS = {
  readBps: "throttleReadBpsDevice",
  writeBps: "throttleWriteBpsDevice",
  readIops: "throttleReadIOPSDevice",
  writeIops: "throttleWriteIOPSDevice",
} as const;

/** As the runtime wants them at a container's creation. `able.swap` false: nothing is said about swap. */
export function ociLimits(resources: Resources, able: Pick<LimitAbilities, "swap">): OciLimits {
  const { memory, memorySwap, memoryReservation, nanoCpus, cpuShares, pidsLimit } = resources;
  const quota = nanoCpus > 0 ? Math.round((nanoCpus * DEFAULT_PERIOD_US) / 1e9) : resources.cpuQuota;
  const period = nanoCpus > 0 ? DEFAULT_PERIOD_US : resources.cpuPeriod;
  const memoryLimits = {
    ...(memory > 0 ? { limit: memory } : {}),
    ...(memory > 0 && able.swap ? { swap: memorySwap === 0 ? memory * 2 : memorySwap } : {}),
    ...(memoryReservation > 0 ? { reservation: memoryReservation } : {}),
    ...(resources.memorySwappiness === undefined ? {} : { swappiness: resources.memorySwappiness }),
    ...(resources.oomKillDisable ? { disableOOMKiller: true } : {}),
  };
  const blockIO = blockLimits(resources);
  const cpu = {
    ...(cpuShares > 0 ? { shares: cpuShares } : {}),
    ...(quota === 0 ? {} : { quota }),
    ...(period > 0 ? { period } : {}),
    ...(resources.cpuRealtimePeriod ? { realtimePeriod: resources.cpuRealtimePeriod } : {}),
    ...(resources.cpuRealtimeRuntime ? { realtimeRuntime: resources.cpuRealtimeRuntime } : {}),
    ...(resources.cpusetCpus === "" ? {} : { cpus: resources.cpusetCpus }),
    ...(resources.cpusetMems === "" ? {} : { mems: resources.cpusetMems }),
  };
  return {
    ...(isEmpty(memoryLimits) ? {} : { memory: memoryLimits }),
    ...(isEmpty(cpu) ? {} : { cpu }),
    ...(pidsLimit > 0 ? { pids: { limit: pidsLimit } } : {}),
    ...(isEmpty(blockIO) ? {} : { blockIO }),
  };
}

/** Throws "invalid" for what is no block device. */
function blockLimits(resources: Resources): NonNullable<OciLimits["blockIO"]> {
  const { blkioWeight, deviceWeights = [] } = resources;
  const rates = Object.entries(RATE_FIELDS).flatMap(([from, to]) => {
    const limits = resources[from as keyof typeof RATE_FIELDS] ?? [];
    return limits.length === 0
      ? []
      : [[to, limits.map(({ path, value }) => ({ ...blockDevice(path), rate: value }))] as const];
  });
  return {
    ...(blkioWeight > 0 ? { weight: blkioWeight } : {}),
    ...(deviceWeights.length === 0
      ? {}
      : {
          weightDevice: deviceWeights.map(({ path, value }) => ({ ...blockDevice(path), weight: value })),
        }),
    ...Object.fromEntries(rates),
  };
}

function isEmpty(fields: object): boolean {
  return Object.keys(fields).length === 0;
}
