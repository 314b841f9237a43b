import { isCdiName } from "../../cdi/index.ts";
import type { DockerDevice, DockerHostConfig, DockerUlimit } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";
import { HEALTH_FLAGS, healthcheckOf } from "./health-flags.ts";
import { labelsOf } from "./labels.ts";
import { memoryBytes } from "./memory-size.ts";
import { parseMountFlag } from "./mount-flag.ts";

/** What the host gives a container, and what it is asked how it is. */
export const HOST_FLAGS = {
  init: { kind: "bool", help: "A first process that reaps orphans and passes signals on" },
  mount: {
    kind: "list",
    value: "KEY=VALUE,...",
    help: "Mount a directory, volume or tmpfs, in the long form",
  },
  tmpfs: { kind: "list", value: "TARGET[:OPTIONS]", help: "Mount a filesystem in memory" },
  "volumes-from": {
    kind: "list",
    value: "CONTAINER[:ro]",
    complete: "container",
    help: "Volumes of another one",
  },
  "shm-size": { kind: "string", value: "SIZE", help: "Size of /dev/shm (64m)" },
  ulimit: { kind: "list", value: "NAME=SOFT[:HARD]", help: "Limit of a process: nofile, nproc, core…" },
  sysctl: { kind: "list", value: "NAME=VALUE", help: "Kernel setting of its own namespaces" },
  device: { kind: "list", value: "PATH[:TARGET[:rwm]]|VENDOR/CLASS=NAME", help: "Device of this host" },
  "device-cgroup-rule": { kind: "list", value: "RULE", help: "Rule for devices: 'c 1:3 rwm'" },
  "group-add": { kind: "list", value: "GROUP", help: "More groups of the user, by name or number" },
  "add-host": { kind: "list", value: "NAME:ADDRESS", help: "Line of /etc/hosts; host-gateway is this host" },
  dns: { kind: "list", value: "ADDRESS", help: "DNS server" },
  "dns-search": { kind: "list", value: "DOMAIN", help: "DNS search domain; a dot for none" },
  "dns-option": { kind: "list", value: "OPTION", help: "DNS option" },
  domainname: { kind: "string", value: "NAME", help: "Domain name inside" },
  "stop-timeout": { kind: "int", value: "SECONDS", help: "How long stop waits before it kills (10)" },
  "label-file": { kind: "list", value: "FILE", complete: "file", help: "File with a label per line" },
  "oom-score-adj": {
    kind: "int",
    value: "N",
    help: "How soon the kernel kills it for memory, -1000 to 1000",
  },
  ipc: {
    kind: "string",
    value: "MODE",
    help: "IPC namespace: private, shareable, none, host, container:NAME",
  },
  pid: { kind: "string", value: "MODE", help: "PID namespace: host, container:NAME" },
  uts: { kind: "string", value: "host", help: "Namespace of the host name" },
  userns: { kind: "string", value: "MODE", help: "User namespace: host, remap[:USER], auto[:size=N]" },
  "cgroup-parent": {
    kind: "string",
    value: "CGROUP",
    help: "The cgroup that its own is below, from the root: /builds",
  },
  cgroupns: { kind: "string", choices: ["host", "private"], help: "Cgroup namespace" },
  annotation: { kind: "list", value: "KEY=VALUE", help: "Annotation for the OCI runtime" },
  ...HEALTH_FLAGS,
} as const satisfies FlagSpecs;

type HostFlags = FlagValues<typeof HOST_FLAGS>;

/** Fields of Docker's `Config`; files are read by `readLines`, with the flag's name for its errors. */
export function hostFlagsConfig(flags: HostFlags): {
  readonly Domainname?: string;
  readonly StopTimeout?: number;
  readonly Healthcheck?: object;
} {
  const timeout = flags["stop-timeout"];
  return {
    ...(flags.domainname === undefined ? {} : { Domainname: flags.domainname }),
    ...(timeout === undefined ? {} : { StopTimeout: timeout }),
    ...healthcheckOf(flags),
  };
}

/** Fields of Docker's `HostConfig`, those that were asked for. */
export function hostFlagsHostConfig(flags: HostFlags): DockerHostConfig {
  const lists = {
    Mounts: flags.mount.map(parseMountFlag),
    VolumesFrom: flags["volumes-from"],
    Ulimits: flags.ulimit.map(parseUlimit),
    Devices: flags.device.filter((word) => !isCdiName(word)).map(parseDevice),
    DeviceCgroupRules: flags["device-cgroup-rule"],
    GroupAdd: flags["group-add"],
    ExtraHosts: flags["add-host"].map(parseAddHost),
    Dns: flags.dns,
    DnsSearch: flags["dns-search"],
    DnsOptions: flags["dns-option"],
  };
  const texts = {
    IpcMode: flags.ipc,
    PidMode: flags.pid,
    UTSMode: flags.uts,
    UsernsMode: flags.userns,
    CgroupnsMode: flags.cgroupns,
    CgroupParent: flags["cgroup-parent"],
    OnUnhealthy: flags["on-unhealthy"],
  };
  const maps = {
    Tmpfs: Object.fromEntries(flags.tmpfs.map(parseTmpfs)),
    Sysctls: Object.fromEntries(flags.sysctl.map((word) => parsePair(word, "sysctl"))),
    Annotations: labelsOf(flags.annotation),
  };
  const score = flags["oom-score-adj"];
  const size = flags["shm-size"];
  return {
    ...Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)),
    ...Object.fromEntries(Object.entries(texts).filter(([, word]) => word !== undefined)),
    ...Object.fromEntries(Object.entries(maps).filter(([, map]) => Object.keys(map).length > 0)),
    ...(flags.init ? { Init: true } : {}),
    ...(score === undefined ? {} : { OomScoreAdj: score }),
    ...(size === undefined ? {} : { ShmSize: memoryBytes("shm-size", size) }),
  };
}

/** `nofile=1024:2048`; -1 and `unlimited` have no bound. Throws UsageError in Docker's words. */
export function parseUlimit(word: string): DockerUlimit {
  const [, Name = "", soft, hard] = /^([^=]+)=([^:]+)(?::(.+))?$/.exec(word) ?? [];
  if (soft === undefined) throw new UsageError(`invalid ulimit argument: ${word}`);
  const bound = (text: string): number => {
    if (text === "unlimited") return -1;
    if (!/^(-1|\d{1,15})$/.test(text)) throw new UsageError(`invalid ulimit argument: ${word}`);
    return Number(text);
  };
  const Soft = bound(soft);
  const Hard = hard === undefined ? Soft : bound(hard);
  if (Hard !== -1 && (Soft === -1 || Soft > Hard))
    throw new UsageError(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  return { Name, Soft, Hard };
}

/** `/dev/x`, `/dev/x:rw`, `/dev/x:/dev/y`, `/dev/x:/dev/y:r`. Throws UsageError in Docker's words. */
export function parseDevice(word: string): DockerDevice {
  const [path = "", second, third, ...more] = word.split(":");
  const isAccess = (text: string | undefined) => text !== undefined && /^[rwm]{1,3}$/.test(text);
  const target = second === undefined || (third === undefined && isAccess(second)) ? path : second;
  const access = third ?? (isAccess(second) ? second : undefined) ?? "rwm";
  if (path === "" || target === "" || more.length > 0)
    throw new UsageError(`invalid device specification: ${word}`);
  if (!isAccess(access)) throw new UsageError(`bad mode specified: ${access}`);
  return { PathOnHost: path, PathInContainer: target, CgroupPermissions: access };
}

/** `name:address` or `name=address`. Throws UsageError in Docker's words. */
export function parseAddHost(word: string): string {
  const [, name, address] = /^([^:=\s]+)[:=](.+)$/.exec(word) ?? [];
  if (name === undefined || address === undefined)
    throw new UsageError(
      `invalid argument ${JSON.stringify(word)} for "--add-host" flag: bad format for add-host: "${word}"`,
    );
  return `${name}:${address.replace(/^\[(.*)\]$/, "$1")}`;
}

function parseTmpfs(word: string): [string, string] {
  const colon = word.indexOf(":");
  return colon < 0 ? [word, ""] : [word.slice(0, colon), word.slice(colon + 1)];
}

function parsePair(word: string, flag: string): [string, string] {
  const equals = word.indexOf("=");
  if (equals <= 0)
    throw new UsageError(`invalid argument ${JSON.stringify(word)} for "--${flag}" flag: want NAME=VALUE`);
  return [word.slice(0, equals), word.slice(equals + 1)];
}
