import { readFileSync } from "node:fs";

/** Bounds of one resource; Infinity: unlimited. */
export interface ResourceLimit {
  readonly soft: number;
  readonly hard: number;
}

const NAMES: Readonly<Record<string, string>> = {
  "Max cpu time": "RLIMIT_CPU",
  "Max file size": "RLIMIT_FSIZE",
  "Max data size": "RLIMIT_DATA",
  "Max stack size": "RLIMIT_STACK",
  "Max core file size": "RLIMIT_CORE",
  "Max resident set": "RLIMIT_RSS",
  "Max processes": "RLIMIT_NPROC",
  "Max open files": "RLIMIT_NOFILE",
  "Max locked memory": "RLIMIT_MEMLOCK",
  "Max address space": "RLIMIT_AS",
  "Max file locks": "RLIMIT_LOCKS",
  "Max pending signals": "RLIMIT_SIGPENDING",
  "Max msgqueue size": "RLIMIT_MSGQUEUE",
  "Max nice priority": "RLIMIT_NICE",
  "Max realtime priority": "RLIMIT_RTPRIO",
  "Max realtime timeout": "RLIMIT_RTTIME",
};

/** This process's resource limits by their OCI name (`RLIMIT_NOFILE`), from /proc/self/limits or a given text. */
export function resourceLimits(
  text: string = readFileSync("/proc/self/limits", "utf8"),
): ReadonlyMap<string, ResourceLimit> {
  const limits = new Map<string, ResourceLimit>();
  for (const line of text.split("\n")) {
    const match = /^(Max [a-z ]+?) {2,}(\d+|unlimited) +(\d+|unlimited)/.exec(line);
    const name = NAMES[match?.[1] ?? ""];
    if (name !== undefined) limits.set(name, { soft: limitOf(match?.[2]), hard: limitOf(match?.[3]) });
  }
  return limits;
}

function limitOf(text: string | undefined): number {
  return text === "unlimited" || text === undefined ? Number.POSITIVE_INFINITY : Number(text);
}
