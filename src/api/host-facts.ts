import { readFile } from "node:fs/promises";
import { arch, cpus, hostname, release, totalmem } from "node:os";

/** What `info` and `version` say about the machine. */
export interface HostFacts {
  readonly kernelVersion: string;
  /** `Debian GNU/Linux 12 (bookworm)`. */
  readonly operatingSystem: string;
  readonly osVersion: string;
  /** As `uname -m` has it. */
  readonly machine: string;
  readonly processors: number;
  readonly memoryBytes: number;
  readonly name: string;
  readonly cgroupVersion: "1" | "2";
  readonly hasSeccomp: boolean;
  readonly hasAppArmor: boolean;
}

export async function readHostFacts(): Promise<HostFacts> {
  const [osRelease, mounts, status, appArmor] = await Promise.all([
    readText("/etc/os-release").then((text) => text || readText("/usr/lib/os-release")),
    readText("/proc/self/mounts"),
    readText("/proc/self/status"),
    readText("/sys/module/apparmor/parameters/enabled"),
  ]);
  const os = parseOsRelease(osRelease);
  return {
    kernelVersion: release(),
    operatingSystem: os["PRETTY_NAME"] ?? os["NAME"] ?? "Linux",
    osVersion: os["VERSION_ID"] ?? "",
    machine: { x64: "x86_64", arm64: "aarch64" }[arch() as string] ?? arch(),
    processors: cpus().length,
    memoryBytes: totalmem(),
    name: hostname(),
    cgroupVersion: /^\S+ \/sys\/fs\/cgroup cgroup2 /m.test(mounts) ? "2" : "1",
    hasSeccomp: /^Seccomp:/m.test(status),
    hasAppArmor: appArmor.trim() === "Y",
  };
}

/** `NAME="value"` lines (os-release(5)); quotes and backslashes taken off. */
export function parseOsRelease(text: string): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^([A-Z_0-9]+)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(.*))$/.exec(line.trim());
    if (match !== null)
      values[match[1] ?? ""] = (match[2]?.replace(/\\(.)/g, "$1") ?? match[3] ?? match[4] ?? "").trim();
  }
  return values;
}

async function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
