import { type RestartPolicy, restartPolicy } from "../container/index.ts";
import { PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";
import type { Resources } from "../runtime/index.ts";
import type { DockerHostConfig, DockerRestartPolicy } from "../wire/index.ts";
import { flag, integer, objects, text } from "./fields.ts";

type Fields = Readonly<Record<string, unknown>>;

const NUMBERS = {
  Memory: "memory",
  MemorySwap: "memorySwap",
  MemoryReservation: "memoryReservation",
  NanoCpus: "nanoCpus",
  CpuShares: "cpuShares",
  CpuPeriod: "cpuPeriod",
  CpuQuota: "cpuQuota",
  PidsLimit: "pidsLimit",
  BlkioWeight: "blkioWeight",
  CpuRealtimePeriod: "cpuRealtimePeriod",
  CpuRealtimeRuntime: "cpuRealtimeRuntime",
} as const;

/** Lists of devices, and what each entry calls its value. */
const DEVICES = {
  BlkioWeightDevice: ["deviceWeights", "Weight"],
  BlkioDeviceReadBps: ["readBps", "Rate"],
  BlkioDeviceWriteBps: ["writeBps", "Rate"],
  BlkioDeviceReadIOps: ["readIops", "Rate"],
  BlkioDeviceWriteIOps: ["writeIops", "Rate"],
} as const;
/** What Docker's clients send for a swappiness that nobody chose. */
const NO_SWAPPINESS = -1;

const TEXTS = { CpusetCpus: "cpusetCpus", CpusetMems: "cpusetMems" } as const;

/** The limits that a `HostConfig`, or the body of an update, asks for; what is absent, null, zero or empty is left out. */
export function resourcesOf(fields: Fields): Partial<Resources> {
  const found: Record<string, Resources[keyof Resources]> = {};
  for (const [field, name] of Object.entries(NUMBERS)) {
    const value = fields[field];
    if (value === undefined || value === null || value === 0) continue;
    if (typeof value !== "number" || !Number.isSafeInteger(value))
      throw new PlyError("invalid", `invalid JSON: ${field} is not a whole number`);
    found[name] = value;
  }
  for (const [field, name] of Object.entries(TEXTS)) {
    const value = fields[field];
    if (value === undefined || value === null || value === "") continue;
    if (typeof value !== "string") throw new PlyError("invalid", `invalid JSON: ${field} is not a string`);
    found[name] = value;
  }
  for (const [field, [name, key]] of Object.entries(DEVICES)) {
    const limits = objects(fields, field).map((each) => ({
      path: text(each, "Path"),
      value: integer(each, key),
    }));
    if (limits.length > 0) found[name] = limits;
  }
  const swappiness = fields["MemorySwappiness"];
  if (swappiness !== undefined && swappiness !== null && swappiness !== NO_SWAPPINESS)
    found["memorySwappiness"] = integer(fields, "MemorySwappiness");
  if (flag(fields, "OomKillDisable")) found["oomKillDisable"] = true;
  return found;
}

/** `RestartPolicy`; undefined when none is asked for. Throws "invalid" in Docker's words. */
export function restartPolicyOf(fields: Fields): RestartPolicy | undefined {
  const given = fields["RestartPolicy"];
  if (given === undefined || given === null) return undefined;
  const { Name = "", MaximumRetryCount = 0 } = isObject(given) ? given : { Name: 0 };
  if (typeof Name !== "string" || typeof MaximumRetryCount !== "number")
    throw new PlyError(
      "invalid",
      "invalid JSON: RestartPolicy is not an object with Name and MaximumRetryCount",
    );
  return Name === "" && MaximumRetryCount === 0 ? undefined : restartPolicy(Name, MaximumRetryCount);
}

/** Both as `inspect` shows them. */
export function dockerLimits(
  resources: Resources | undefined,
  restart: RestartPolicy | undefined,
): DockerHostConfig & { readonly RestartPolicy: DockerRestartPolicy } {
  return {
    Memory: resources?.memory ?? 0,
    MemorySwap: resources?.memorySwap || (resources?.memory ?? 0) * 2,
    MemoryReservation: resources?.memoryReservation ?? 0,
    NanoCpus: resources?.nanoCpus ?? 0,
    CpuShares: resources?.cpuShares ?? 0,
    CpuPeriod: resources?.cpuPeriod ?? 0,
    CpuQuota: resources?.cpuQuota ?? 0,
    CpusetCpus: resources?.cpusetCpus ?? "",
    CpusetMems: resources?.cpusetMems ?? "",
    PidsLimit: resources?.pidsLimit ? resources.pidsLimit : null,
    BlkioWeight: resources?.blkioWeight ?? 0,
    CpuRealtimePeriod: resources?.cpuRealtimePeriod ?? 0,
    CpuRealtimeRuntime: resources?.cpuRealtimeRuntime ?? 0,
    MemorySwappiness: resources?.memorySwappiness ?? null,
    OomKillDisable: resources?.oomKillDisable ?? null,
    ...Object.fromEntries(
      Object.entries(DEVICES).map(([field, [name, key]]) => [
        field,
        resources?.[name]?.map(({ path, value }) => ({ Path: path, [key]: value })) ?? null,
      ]),
    ),
    RestartPolicy: { Name: restart?.name ?? "no", MaximumRetryCount: restart?.maximumRetries ?? 0 },
  };
}
