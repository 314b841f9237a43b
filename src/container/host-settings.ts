import { PlyError } from "../error.ts";

/** What else the host gives a container beside its root, network and rights. Nothing given: Docker's defaults. */
export interface HostSettings {
  readonly init?: boolean;
  readonly ulimits?: readonly Ulimit[];
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly devices?: readonly DeviceWish[];
  /** Names of devices that CDI specifications of the host describe: `vendor.com/class=name`. */
  readonly cdiDevices?: readonly string[];
  /** `c 1:3 rwm`. */
  readonly deviceCgroupRules?: readonly string[];
  /** Names of the image's groups, or numbers. */
  readonly groupAdd?: readonly string[];
  /** `name:address`; the address `host-gateway` is the host's. */
  readonly extraHosts?: readonly string[];
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOptions?: readonly string[];
  /** Bytes of /dev/shm. */
  readonly shmSize?: number;
  readonly oomScoreAdj?: number;
  /** `--tmpfs`: options by place. */
  readonly tmpfs?: Readonly<Record<string, string>>;
  readonly mounts?: readonly MountWish[];
  /** `name[:ro|rw]` of containers whose volumes this one has too. */
  readonly volumesFrom?: readonly string[];
  readonly ipcMode?: string;
  readonly pidMode?: string;
  readonly utsMode?: string;
  readonly usernsMode?: string;
  /** `host`, `private`; absent: as the cgroup layout has it. */
  readonly cgroupnsMode?: string;
  /** The cgroup that its own is below: an absolute path from the root of each hierarchy. */
  readonly cgroupParent?: string;
  /** Name of an OCI runtime. */
  readonly runtime?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  /** What happens to a container that its health check finds unhealthy. */
  readonly onUnhealthy?: "none" | "stop" | "restart";
}

/** As `ulimit` names them: `nofile`. -1: unlimited. */
export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

export interface DeviceWish {
  readonly pathOnHost: string;
  readonly pathInContainer: string;
  /** Of `rwm`. */
  readonly access: string;
}

/** `--mount`, in its long form. */
export interface MountWish {
  readonly kind: "bind" | "volume" | "tmpfs" | "image";
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation?: string;
  readonly nonRecursive?: boolean;
  /** Of a read-only bind, what is mounted below it stays writable. */
  readonly writableBelow?: boolean;
  /** A bind's missing source is made. */
  readonly createSource?: boolean;
  readonly noCopy?: boolean;
  /** Within a volume or an image. */
  readonly subpath?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Of the `local` driver, for a volume that is not there yet. */
  readonly driverOptions?: Readonly<Record<string, string>>;
  readonly tmpfsSize?: number;
  readonly tmpfsMode?: number;
}

const ULIMITS = new Map(
  [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
  ].map((name) => [name, `RLIMIT_${name.toUpperCase()}`]),
);

/** The runtime's name of a limit. Throws "invalid" in Docker's words. */
export function rlimitOf({ name, soft, hard }: Ulimit): { type: string; soft: number; hard: number } {
  const type = ULIMITS.get(name);
  if (type === undefined) throw new PlyError("invalid", `invalid ulimit type: ${name}`);
  const bound = (limit: number) => (limit < 0 ? Number.POSITIVE_INFINITY : limit);
  if (bound(soft) > bound(hard))
    throw new PlyError(
      "invalid",
      `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`,
    );
  return { type, soft: bound(soft), hard: bound(hard) };
}

const IPC_SYSCTLS = new Set(
  ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"].map(
    (name) => `kernel.${name}`,
  ),
);

/** Throws "invalid" for a setting that is the host's, not of a namespace the container has for itself. */
export function checkSysctls(
  sysctls: Readonly<Record<string, string>>,
  own: { readonly network: boolean; readonly ipc: boolean; readonly uts: boolean },
): void {
  for (const name of Object.keys(sysctls)) {
    const isIpc = IPC_SYSCTLS.has(name) || name.startsWith("fs.mqueue.");
    const isNet = name.startsWith("net.");
    const isUts = name === "kernel.domainname";
    const refuse = (why: string) => new PlyError("invalid", `sysctl "${name}" ${why}`);
    if (!isIpc && !isNet && !isUts) throw refuse("is not in a separate kernel namespace");
    if (isNet && !own.network) throw refuse("not allowed in host network namespace");
    if (isIpc && !own.ipc) throw refuse("not allowed in host ipc namespace");
    if (isUts && !own.uts) throw refuse("not allowed in host uts namespace");
  }
}

const DEVICE_RULE = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/;

/** A line of `--device-cgroup-rule`. Throws "invalid" in Docker's words. */
export function parseDeviceRule(text: string): {
  readonly allow: true;
  readonly type: "a" | "b" | "c";
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
} {
  const [, type, major, minor, access] = DEVICE_RULE.exec(text) ?? [];
  if (type === undefined || access === undefined)
    throw new PlyError("invalid", `invalid device cgroup rule format: '${text}'`, {
      hint: "like 'c 1:3 mr': type, major:minor (or *), what of r, w and m",
    });
  return {
    allow: true,
    type: type as "a" | "b" | "c",
    ...(major === "*" ? {} : { major: Number(major) }),
    ...(minor === "*" ? {} : { minor: Number(minor) }),
    access,
  };
}
