import type { DockerHostConfig } from "../../wire/index.ts";
import { absoluteSource, CONTAINER_FLAGS, securityOptions } from "../commands/container-flags.ts";
import { HOST_FLAGS, parseAddHost, parseDevice, parseUlimit } from "../commands/host-flags.ts";
import { memoryBytes } from "../commands/memory-size.ts";
import { RESOURCE_FLAGS, resourceRequest } from "../commands/resource-flags.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";

/** What holds for the containers of all steps, as `run` has it for one. */
export const STEP_FLAGS = {
  "add-host": HOST_FLAGS["add-host"],
  "cap-add": CONTAINER_FLAGS["cap-add"],
  "cap-drop": CONTAINER_FLAGS["cap-drop"],
  "cgroup-parent": HOST_FLAGS["cgroup-parent"],
  "cpu-period": RESOURCE_FLAGS["cpu-period"],
  "cpu-quota": RESOURCE_FLAGS["cpu-quota"],
  "cpu-shares": RESOURCE_FLAGS["cpu-shares"],
  "cpuset-cpus": RESOURCE_FLAGS["cpuset-cpus"],
  "cpuset-mems": RESOURCE_FLAGS["cpuset-mems"],
  device: HOST_FLAGS.device,
  dns: HOST_FLAGS.dns,
  "dns-option": HOST_FLAGS["dns-option"],
  "dns-search": HOST_FLAGS["dns-search"],
  memory: { ...RESOURCE_FLAGS.memory, help: "Memory limit of each step" },
  "memory-swap": RESOURCE_FLAGS["memory-swap"],
  "security-opt": CONTAINER_FLAGS["security-opt"],
  "shm-size": { ...HOST_FLAGS["shm-size"], help: "Size of /dev/shm in steps" },
  ulimit: { ...HOST_FLAGS.ulimit, help: "Limit of the steps' processes" },
  volume: {
    ...CONTAINER_FLAGS.volume,
    help: "Directory of this host that all steps see; what is in it never makes a step run anew",
  },
} as const satisfies FlagSpecs;

/** The flags as fields of a container's `HostConfig`; undefined when none was given. Throws UsageError. */
export function stepHostConfig(flags: FlagValues<typeof STEP_FLAGS>): DockerHostConfig | undefined {
  const lists = {
    Binds: flags.volume.map(absoluteSource),
    CapAdd: flags["cap-add"],
    CapDrop: flags["cap-drop"],
    Devices: flags.device.map(parseDevice),
    Dns: flags.dns,
    DnsOptions: flags["dns-option"],
    DnsSearch: flags["dns-search"],
    ExtraHosts: flags["add-host"].map(parseAddHost),
    Ulimits: flags.ulimit.map(parseUlimit),
  };
  const shm = flags["shm-size"];
  const parent = flags["cgroup-parent"];
  const fields = {
    ...Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)),
    ...resourceRequest(flags),
    ...(flags["security-opt"].length === 0 ? {} : securityOptions(flags["security-opt"])),
    ...(shm === undefined ? {} : { ShmSize: memoryBytes("shm-size", shm) }),
    ...(parent === undefined ? {} : { CgroupParent: parent }),
  };
  return Object.keys(fields).length === 0 ? undefined : fields;
}
