import type { DockerHostConfig, DockerRestartPolicy } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";
import { memoryBytes } from "./memory-size.ts";

/** Limits and the restart policy: of `run`, `create` and `update`. */
export const RESOURCE_FLAGS = {
  memory: { kind: "string", short: "m", value: "BYTES", help: "Memory limit: 512m, 2g" },
  "memory-swap": { kind: "string", value: "BYTES", help: "Limit of memory and swap together; -1: none" },
  "memory-reservation": { kind: "string", value: "BYTES", help: "Memory it is pressed back to under want" },
  cpus: { kind: "string", value: "NUMBER", help: "Processors it may use: 1.5" },
  "cpu-shares": { kind: "int", short: "c", value: "N", help: "Weight against others under want (1024)" },
  "cpu-period": { kind: "int", value: "MICROSECONDS", help: "Length of a CPU period" },
  "cpu-quota": { kind: "int", value: "MICROSECONDS", help: "CPU time in each period" },
  "cpu-rt-period": { kind: "int", value: "MICROSECONDS", help: "Length of a real-time period" },
  "cpu-rt-runtime": { kind: "int", value: "MICROSECONDS", help: "Real-time CPU time in each period" },
  "cpuset-cpus": { kind: "string", value: "LIST", help: "Processors it may run on: 0-2,4" },
  "cpuset-mems": { kind: "string", value: "LIST", help: "Memory nodes it may use: 0,1" },
  "pids-limit": { kind: "int", value: "N", help: "Processes at most; -1: no limit" },
  "blkio-weight": { kind: "int", value: "10..1000", help: "Block I/O weight against others" },
  restart: {
    kind: "string",
    value: "POLICY",
    help: "When it ends: no, on-failure[:N], always, unless-stopped",
  },
} as const satisfies FlagSpecs;

export type ResourceFlags = FlagValues<typeof RESOURCE_FLAGS>;

/** The fields of `HostConfig`, or of an update's body. What was not given is absent. Throws UsageError. */
export function resourceRequest(flags: Partial<ResourceFlags>): DockerHostConfig {
  const fields: Record<string, number | string | DockerRestartPolicy | undefined> = {
    Memory: memoryBytes("memory", flags.memory),
    MemorySwap: flags["memory-swap"] === "-1" ? -1 : memoryBytes("memory-swap", flags["memory-swap"]),
    MemoryReservation: memoryBytes("memory-reservation", flags["memory-reservation"]),
    NanoCpus: cpusOf(flags.cpus),
    CpuShares: flags["cpu-shares"],
    CpuPeriod: flags["cpu-period"],
    CpuQuota: flags["cpu-quota"],
    CpuRealtimePeriod: flags["cpu-rt-period"],
    CpuRealtimeRuntime: flags["cpu-rt-runtime"],
    CpusetCpus: flags["cpuset-cpus"],
    CpusetMems: flags["cpuset-mems"],
    PidsLimit: flags["pids-limit"],
    BlkioWeight: flags["blkio-weight"],
    RestartPolicy: policyOf(flags.restart),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function cpusOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,5}(\.\d{1,9})?$/.test(text))
    throw new UsageError(
      `invalid argument ${JSON.stringify(text)} for "--cpus" flag: not a number of processors`,
    );
  return Math.round(Number(text) * 1e9);
}

function policyOf(text: string | undefined): DockerRestartPolicy | undefined {
  if (text === undefined) return undefined;
  const [name = "", count, ...more] = text.split(":");
  if (name === "" && text !== "")
    throw new UsageError("invalid restart policy format: no policy provided before colon");
  if (more.length > 0) throw new UsageError("invalid restart policy format");
  if (count !== undefined && !/^-?\d{1,9}$/.test(count))
    throw new UsageError("invalid restart policy format: maximum retry count must be an integer");
  return { Name: name, MaximumRetryCount: Number(count ?? 0) };
}
