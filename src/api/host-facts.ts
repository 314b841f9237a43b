import { arch, cpus, hostname, release, totalmem } from "node:os";
import { readText } from "../host-file.ts";

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

export function readHostFacts(): HostFacts {
  const os = parseOsRelease(readText("/etc/os-release") || readText("/usr/lib/os-release"));
  return {
    kernelVersion: release(),
    operatingSystem: os["PRETTY_NAME"] ?? os["NAME"] ?? "Linux",
    osVersion: os["VERSION_ID"] ?? "",
    machine: { x64: "x86_64", arm64: "aarch64" }[arch() as string] ?? arch(),
    processors: cpus().length,
    memoryBytes: totalmem(),
    name: hostname(),
    cgroupVersion: /^\S+ \/sys\/fs\/cgroup cgroup2 /m.test(readText("/proc/self/mounts")) ? "2" : "1",
    hasSeccomp: /^Seccomp:/m.test(readText("/proc/self/status")),
    hasAppArmor: readText("/sys/module/apparmor/parameters/enabled").trim() === "Y",
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
