import { PlyError } from "../error.ts";
import { readText } from "../host-file.ts";
import { checkRareLimits } from "./rare-limits.ts";
import { type LimitAbilities, parseCpuList, type Resources } from "./resources.ts";

const MIN_MEMORY = 6 * 1024 * 1024;

/**
 * Docker's checks and its way of going on without what the host lacks: the limits that will hold, and a warning for
 * each that will not. Throws "invalid" in Docker's words.
 */
export function checkResources(
  given: Resources,
  able: LimitAbilities,
): { readonly resources: Resources; readonly warnings: string[] } {
  const warnings: string[] = [];
  let kept = given;
  const drop = (fields: Partial<Resources>, warning: string): void => {
    kept = { ...kept, ...fields };
    warnings.push(warning);
  };
  checkMemory(given);
  checkCpu(given, able);
  if (given.blkioWeight !== 0 && (given.blkioWeight < 10 || given.blkioWeight > 1000))
    throw invalid("Range of blkio weight is from 10 to 1000");
  if (given.memory > 0 && !able.memory)
    drop(
      { memory: 0, memorySwap: -1 },
      "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
    );
  if (kept.memory > 0 && kept.memorySwap !== -1 && !able.swap)
    drop(
      { memorySwap: -1 },
      "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
    );
  if (given.memoryReservation > 0 && !able.memory)
    drop(
      { memoryReservation: 0 },
      "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.",
    );
  if (given.pidsLimit > 0 && !able.pids)
    drop(
      { pidsLimit: 0 },
      "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
    );
  if (given.cpuShares > 0 && !able.cpu)
    drop(
      { cpuShares: 0 },
      "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.",
    );
  if ((given.nanoCpus > 0 || given.cpuQuota > 0 || given.cpuPeriod > 0) && !able.cpu)
    drop(
      { nanoCpus: 0, cpuQuota: 0, cpuPeriod: 0 },
      "Your kernel does not support CPU CFS scheduler or the cgroup is not mounted. Limitation discarded.",
    );
  if ((given.cpusetCpus !== "" || given.cpusetMems !== "") && !able.cpuset)
    drop(
      { cpusetCpus: "", cpusetMems: "" },
      "Your kernel does not support cpuset or the cgroup is not mounted. CPUset discarded.",
    );
  if (given.blkioWeight > 0 && !able.blkioWeight)
    drop(
      { blkioWeight: 0 },
      "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.",
    );
  const others = checkRareLimits(kept, able);
  return { resources: others.resources, warnings: [...warnings, ...others.warnings] };
}

function checkMemory({ memory, memorySwap, memoryReservation }: Resources): void {
  if (memory !== 0 && memory < MIN_MEMORY) throw invalid("Minimum memory limit allowed is 6MB");
  if (memory === 0 && memorySwap > 0)
    throw invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (memorySwap < -1 || (memorySwap > 0 && memorySwap < memory))
    throw invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (memoryReservation !== 0 && memoryReservation < MIN_MEMORY)
    throw invalid("Minimum memory reservation allowed is 6MB");
  if (memory > 0 && memory < memoryReservation)
    throw invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
}

function checkCpu(given: Resources, { processors }: LimitAbilities): void {
  const { nanoCpus, cpuPeriod, cpuQuota, cpuShares, cpusetCpus, cpusetMems } = given;
  if (nanoCpus !== 0 && cpuPeriod !== 0)
    throw invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (nanoCpus !== 0 && cpuQuota !== 0)
    throw invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (nanoCpus < 0 || nanoCpus > processors * 1e9)
    throw invalid(
      `Range of CPUs is from 0.01 to ${processors}.00, as there are only ${processors} CPUs available`,
    );
  if (cpuShares < 0) throw invalid(`The CPU shares must not be negative: ${cpuShares}`);
  if (cpuPeriod !== 0 && (cpuPeriod < 1000 || cpuPeriod > 1_000_000))
    throw invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (cpuQuota > 0 && cpuQuota < 1000) throw invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  checkSet("cpuset cpus", "CPUs", cpusetCpus, "/sys/devices/system/cpu/online");
  checkSet("cpuset mems", "memory nodes", cpusetMems, "/sys/devices/system/node/online");
}

function checkSet(what: string, things: string, wanted: string, onlineFile: string): void {
  if (wanted === "") return;
  const list = parseCpuList(wanted);
  if (list === undefined) throw invalid(`Invalid value ${wanted} for ${what}`);
  const text = readText(onlineFile).trim() || "0";
  const online = parseCpuList(text);
  if ([...list].some((each) => !online?.has(each)))
    throw invalid(`Requested ${things} are not available - requested ${wanted}, available: ${text}`);
}

function invalid(message: string): PlyError {
  return new PlyError("invalid", message);
}
