import { isObject } from "../oci/index.ts";

type Fields = Readonly<Record<string, unknown>>;

interface Rule {
  readonly field: string;
  /** What the user reads when the field asks for something. */
  readonly what: string;
  /** True when the value asks for something; absent: when it is not empty. */
  readonly asks?: (value: unknown) => boolean;
}

const isTextOtherThan =
  (...usual: readonly string[]) =>
  (value: unknown) =>
    typeof value === "string" && !usual.includes(value);
const named =
  (key: string, ...usual: readonly string[]) =>
  (value: unknown) =>
    isObject(value) && isTextOtherThan(...usual)(value[key] ?? "");

/** Settings that are read, cannot be honoured yet and are safe to go on without, as long as the user knows. */
const HOST_RULES: readonly Rule[] = [
  { field: "PortBindings", what: "published ports" },
  { field: "PublishAllPorts", what: "published ports" },
  { field: "OomScoreAdj", what: "the OOM score" },
  { field: "LogConfig", what: "the log driver", asks: named("Type", "", "json-file", "local", "none") },
  { field: "Devices", what: "devices" },
  { field: "DeviceRequests", what: "device requests (GPUs)" },
  { field: "Ulimits", what: "ulimits" },
  { field: "Sysctls", what: "sysctls" },
  { field: "Dns", what: "DNS servers" },
  { field: "DnsSearch", what: "DNS search domains" },
  { field: "DnsOptions", what: "DNS options" },
  { field: "ExtraHosts", what: "extra hosts" },
  { field: "Links", what: "links" },
  { field: "Tmpfs", what: "tmpfs mounts" },
  { field: "Mounts", what: "tmpfs mounts", asks: hasTmpfs },
  { field: "ShmSize", what: "the size of /dev/shm" },
  { field: "StorageOpt", what: "storage options" },
  { field: "VolumesFrom", what: "volumes of other containers" },
  { field: "GroupAdd", what: "additional groups" },
  { field: "Init", what: "the init process" },
  { field: "IpcMode", what: "the IPC mode", asks: isTextOtherThan("", "private", "shareable") },
  { field: "PidMode", what: "the PID mode" },
  { field: "UTSMode", what: "the UTS mode" },
  { field: "UsernsMode", what: "the user namespace mode", asks: isTextOtherThan("", "host") },
  { field: "CgroupParent", what: "the cgroup parent" },
];

const CONFIG_RULES: readonly Rule[] = [
  { field: "Healthcheck", what: "the health check", asks: hasHealthTest },
  { field: "Domainname", what: "the domain name" },
  { field: "StopTimeout", what: "the stop timeout" },
];

/** One line per setting that will not take effect. */
export function unhonoured(config: Fields, hostConfig: Fields): string[] {
  const lines = new Set<string>();
  for (const [rules, fields] of [
    [HOST_RULES, hostConfig],
    [CONFIG_RULES, config],
  ] as const)
    for (const { field, what, asks } of rules)
      if ((asks ?? asksSomething)(fields[field]))
        lines.add(`${what} (${field}): not supported by this version of ply, left out`);
  return [...lines];
}

function asksSomething(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return false;
  if (Array.isArray(value)) return value.length > 0;
  return isObject(value) ? Object.keys(value).length > 0 : true;
}

function hasTmpfs(value: unknown): boolean {
  return Array.isArray(value) && value.some((mount) => isObject(mount) && mount["Type"] === "tmpfs");
}

function hasHealthTest(value: unknown): boolean {
  const test = isObject(value) ? value["Test"] : undefined;
  return Array.isArray(test) && test.length > 0 && test[0] !== "NONE";
}
