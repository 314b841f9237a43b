import { PlyError } from "../error.ts";
import type { LimitAbilities, Resources } from "./resources.ts";

const DEVICE_RATES = {
  readBps: "BPS Block I/O read limit|Block I/O BPS read limit",
  writeBps: "BPS Block I/O write limit|Block I/O BPS write limit",
  readIops: "IOPS Block read limit|Block I/O IOPS read limit",
  writeIops: "IOPS Block write limit|Block I/O IOPS write limit",
} as const;

/**
 * The limits that few ask for, as Docker checks them: those that will hold, and a warning for each that will not.
 * Throws "invalid" in Docker's words.
 */
export function checkRareLimits(
  given: Resources,
  able: LimitAbilities,
): { readonly resources: Resources; readonly warnings: string[] } {
  const warnings: string[] = [];
  const dropped = new Set<keyof Resources>();
  const drop = (field: keyof Resources, what: string, lost: string): void => {
    dropped.add(field);
    warnings.push(`Your kernel does not support ${what} or the cgroup is not mounted. ${lost} discarded.`);
  };
  const { memorySwappiness: swappiness, cpuRealtimePeriod = 0, cpuRealtimeRuntime = 0 } = given;
  if (swappiness !== undefined && (swappiness < 0 || swappiness > 100))
    throw invalid(`invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  if (swappiness !== undefined && !able.swappiness)
    drop("memorySwappiness", "memory swappiness capabilities", "Memory swappiness");
  if (given.oomKillDisable && !able.oomKillDisable) {
    dropped.add("oomKillDisable");
    warnings.push("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
  } else if (given.oomKillDisable && given.memory === 0)
    warnings.push(
      "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
    );
  if (cpuRealtimePeriod !== 0 && cpuRealtimeRuntime > cpuRealtimePeriod)
    throw invalid("cpu real-time runtime cannot be higher than cpu real-time period");
  if ((cpuRealtimePeriod !== 0 || cpuRealtimeRuntime !== 0) && !able.cpuRealtime) {
    dropped.add("cpuRealtimePeriod");
    drop("cpuRealtimeRuntime", "CPU real-time scheduler", "CPU real-time settings");
  }
  for (const { path, value } of given.deviceWeights ?? [])
    if (value !== 0 && (value < 10 || value > 1000))
      throw invalid(`invalid weight for device ${path}: ${value}, the range is from 10 to 1000`);
  if (given.deviceWeights !== undefined && !able.deviceWeights)
    drop("deviceWeights", "Block I/O weight_device", "Weight-device");
  for (const [field, words] of Object.entries(DEVICE_RATES) as [keyof typeof DEVICE_RATES, string][]) {
    const [what = "", lost = ""] = words.split("|");
    if (given[field] !== undefined && !able.deviceRates) drop(field, what, lost);
  }
  const kept = Object.entries(given).filter(([field]) => !dropped.has(field as keyof Resources));
  return { resources: Object.fromEntries(kept) as unknown as Resources, warnings };
}

function invalid(message: string): PlyError {
  return new PlyError("invalid", message);
}
