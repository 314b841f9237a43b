import type { IdMap, IdRange } from "../linux/index.ts";
import type { OciLimits } from "./oci-limits.ts";
import type { SeccompProfile } from "./seccomp.ts";

/** The part of the OCI runtime-spec (config.md, config-linux.md) that we write. */
export interface OciSpec {
  readonly ociVersion: string;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly process: OciProcess;
  readonly mounts: readonly OciMount[];
  readonly linux: OciLinux;
  readonly hooks?: OciHooks;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Programs of the host by when they are run: `createContainer`, with the container's mounts before its root is its root. */
export type OciHooks = Readonly<Record<string, readonly OciHook[]>>;

export interface OciHook {
  readonly path: string;
  readonly args: readonly string[];
  readonly env?: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

export interface OciProcess {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly width: number; readonly height: number };
  readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[] };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: Readonly<
    Record<"bounding" | "effective" | "permitted" | "inheritable" | "ambient", readonly string[]>
  >;
  readonly rlimits: readonly OciRlimit[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj?: number;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
}

export interface OciRlimit {
  /** `RLIMIT_NOFILE`. */
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface OciDevice {
  readonly path: string;
  readonly type: "c" | "b";
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

/** One line of the device cgroup; no type, major or minor: all of them. */
export interface DeviceRule {
  readonly allow: boolean;
  readonly type?: "a" | "b" | "c";
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
}

/** config-linux.md, "User namespace mappings". */
interface OciIdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

interface OciLinux {
  readonly cgroupsPath?: string;
  readonly uidMappings?: readonly OciIdMapping[];
  readonly gidMappings?: readonly OciIdMapping[];
  readonly mountLabel?: string;
  readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
  readonly resources?: { readonly devices?: readonly DeviceRule[] } & OciLimits;
  readonly devices: readonly OciDevice[];
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccomp?: SeccompProfile;
  readonly rootfsPropagation?: string;
  readonly sysctl?: Readonly<Record<string, string>>;
}

export interface SpecOptions {
  /** The mounted root filesystem, absolute. */
  readonly rootfs: string;
  readonly readOnlyRootfs: boolean;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: OciProcess["user"];
  readonly terminal: boolean;
  readonly consoleSize?: { readonly columns: number; readonly rows: number };
  readonly hostname: string;
  /** host: the network of the host. none: a network of its own, with a loopback device only. */
  readonly network: "host" | "none";
  /** Binds, volumes and files, in any order; one at the place of a default mount replaces it. */
  readonly mounts: readonly OciMount[];
  readonly privileged: boolean;
  /** With `CAP_` in front; all that the process may ever have. */
  readonly capabilities: readonly string[];
  /** Null: unconfined. */
  readonly seccomp: SeccompProfile | null;
  readonly noNewPrivileges: boolean;
  readonly rlimits: readonly OciRlimit[];
  /** Null: no cgroup. */
  readonly cgroupsPath: string | null;
  /** A cgroup namespace of its own: it sees its own cgroup as the root. */
  readonly ownCgroupNamespace: boolean;
  readonly limits?: OciLimits;
  /** Bytes of /dev/shm. */
  readonly shmSize: number;
  /** Devices beyond the usual ones; what may be done with them, `deviceRules` says. */
  readonly devices: readonly OciDevice[];
  /** False: the host has no device cgroup to write rules into. Default true. */
  readonly controlsDevices?: boolean;
  /** What devices have done to the container by programs of the host. */
  readonly hooks?: OciHooks;
  /** More of the device cgroup, after the usual ones. */
  readonly deviceRules?: readonly DeviceRule[];
  /** Namespaces that are the host's. */
  readonly shared?: ReadonlySet<"pid" | "ipc" | "uts">;
  /** Namespaces that are another container's, by path: `/proc/PID/ns/ipc`. */
  readonly joined?: Readonly<Partial<Record<"user" | "pid" | "ipc" | "network", string>>>;
  /** A user namespace of its own (or joined), whose users are these of the host. */
  readonly idMap?: IdMap | undefined;
  /** No /dev/shm. */
  readonly withoutShm?: boolean;
  readonly apparmor?: string | undefined;
  /** Labels of its process and of the files it sees. */
  readonly selinux?: { readonly process: string; readonly mount: string } | undefined;
  readonly domainname?: string;
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly oomScoreAdj?: number;
  readonly annotations?: Readonly<Record<string, string>>;
  /** In place of the usual ones. */
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
}

/** Docker's size of /dev/shm where nobody says otherwise. */
export const DEFAULT_SHM_SIZE = 64 * 1024 * 1024;

const MASKED_PATHS = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
] as const;

const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"] as const;

/** null, zero, full, random, urandom, tty, console, ptmx; then every pseudo-terminal. */
const USUAL_DEVICES: readonly (readonly [major: number, minor?: number])[] = [
  [1, 3],
  [1, 5],
  [1, 7],
  [1, 8],
  [1, 9],
  [5, 0],
  [5, 1],
  [5, 2],
  [136],
];

/** The config.json of a container. */
export function buildSpec(options: SpecOptions): OciSpec {
  const { privileged, capabilities, shared, idMap, joined } = options;
  return {
    ociVersion: "1.0.2",
    ...(shared?.has("uts") ? {} : { hostname: options.hostname }),
    ...(options.domainname ? { domainname: options.domainname } : {}),
    root: { path: options.rootfs, readonly: options.readOnlyRootfs },
    process: {
      terminal: options.terminal,
      ...(options.terminal && options.consoleSize !== undefined
        ? { consoleSize: { width: options.consoleSize.columns, height: options.consoleSize.rows } }
        : {}),
      user: options.user,
      args: options.args,
      env: options.env,
      cwd: options.cwd,
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
        inheritable: [],
        ambient: [],
      },
      rlimits: options.rlimits.map(({ type, soft, hard }) => ({
        type,
        soft: bound(soft),
        hard: bound(hard),
      })),
      ...(options.oomScoreAdj === undefined ? {} : { oomScoreAdj: options.oomScoreAdj }),
      noNewPrivileges: options.noNewPrivileges,
      ...(options.apparmor === undefined ? {} : { apparmorProfile: options.apparmor }),
      ...(options.selinux === undefined ? {} : { selinuxLabel: options.selinux.process }),
    },
    mounts: mergeMounts(defaultMounts(options), options.mounts).map((mount) => withMap(mount, idMap)),
    linux: {
      ...(options.cgroupsPath === null
        ? {}
        : {
            cgroupsPath: options.cgroupsPath,
            resources: {
              ...(options.controlsDevices === false ? {} : { devices: deviceRules(options) }),
              ...options.limits,
            },
          }),
      namespaces: namespacesOf(options),
      // A namespace that is joined has its map already.
      ...(idMap === undefined || joined?.user !== undefined
        ? {}
        : { uidMappings: mappings(idMap.uids), gidMappings: mappings(idMap.gids) }),
      ...(options.selinux === undefined ? {} : { mountLabel: options.selinux.mount }),
      devices: options.devices,
      maskedPaths: options.maskedPaths ?? (privileged ? [] : MASKED_PATHS),
      readonlyPaths: options.readonlyPaths ?? (privileged ? [] : READONLY_PATHS),
      ...(options.sysctls === undefined ? {} : { sysctl: options.sysctls }),
      ...(options.seccomp === null ? {} : { seccomp: options.seccomp }),
    },
    ...hooksOf(options),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  };
}

function hooksOf(options: SpecOptions): { readonly hooks?: OciHooks } {
  const { hooks = {}, controlsDevices, privileged } = options;
  const ours = controlsDevices === false && !privileged ? [withoutDevices(options)] : [];
  const createContainer = [...ours, ...(hooks["createContainer"] ?? [])];
  const all = { ...hooks, ...(createContainer.length === 0 ? {} : { createContainer }) };
  return Object.keys(all).length === 0 ? {} : { hooks: all };
}

/** Nothing else would keep the container from a host's device that its image has a node of. The runtime undoes what we mount so. */
function withoutDevices({ rootfs, readOnlyRootfs }: SpecOptions): OciHook {
  const options = `remount,bind,nodev${readOnlyRootfs ? ",ro" : ""}`;
  // It reads the state that it is given first: crun fails with EPIPE when a hook has ended before it was told (1.8).
  const script = 'while read -r _; do :; done; exec /bin/mount -o "$1" "$2"';
  return { path: "/bin/sh", args: ["sh", "-c", script, "sh", options, rootfs] };
}

function namespacesOf(options: SpecOptions): { readonly type: string; readonly path?: string }[] {
  const { shared, joined = {}, idMap } = options;
  const types = ["mount", ...(["uts", "ipc", "pid"] as const).filter((type) => !shared?.has(type))];
  if (options.network === "none" || joined.network !== undefined) types.push("network");
  if (options.ownCgroupNamespace) types.push("cgroup");
  if (idMap !== undefined || joined.user !== undefined) types.push("user");
  const paths: Readonly<Record<string, string | undefined>> = joined;
  return types.map((type) => {
    const path = paths[type];
    return path === undefined ? { type } : { type, path };
  });
}

function mappings(ranges: readonly IdRange[]): OciIdMapping[] {
  return ranges.map(({ inside, outside, size }) => ({ containerID: inside, hostID: outside, size }));
}

/** RLIM_INFINITY has no number of JavaScript's. */
function bound(limit: number): number {
  if (Number.isFinite(limit)) return limit;
  return (JSON as unknown as { rawJSON(text: string): number }).rawJSON("18446744073709551615");
}

function deviceRules({ privileged, deviceRules: more = [] }: SpecOptions): DeviceRule[] {
  if (privileged) return [{ allow: true, access: "rwm" }];
  return [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", access: "m" },
    { allow: true, type: "b", access: "m" },
    ...USUAL_DEVICES.map(([major, minor]) => ({
      allow: true,
      type: "c" as const,
      major,
      ...(minor === undefined ? {} : { minor }),
      access: "rwm",
    })),
    ...more,
  ];
}

function defaultMounts({ privileged, shmSize, cgroupsPath, withoutShm }: SpecOptions): OciMount[] {
  const readOnly = privileged ? "rw" : "ro";
  const mounts: OciMount[] = [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: ["nosuid", "noexec", "nodev", "mode=1777", `size=${shmSize}`],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", readOnly] },
  ];
  const usual = withoutShm ? mounts.filter(({ destination }) => destination !== "/dev/shm") : mounts;
  if (cgroupsPath !== null)
    usual.push({
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["nosuid", "noexec", "nodev", readOnly],
    });
  return usual;
}

/**
 * crun's `idmap` alone means the container's user namespace, which crun may look at before the container has joined it;
 * so the map is written out (crun(1), "IDMAPPED MOUNTS").
 */
function withMap(mount: OciMount, idMap: IdMap | undefined): OciMount {
  if (idMap === undefined || !mount.options.includes("idmap")) return mount;
  const text = (ranges: readonly IdRange[]) =>
    ranges.map(({ inside, outside, size }) => `${inside}-${outside}-${size}`).join("#");
  const map = `idmap=uids=${text(idMap.uids)};gids=${text(idMap.gids)}`;
  return { ...mount, options: mount.options.map((option) => (option === "idmap" ? map : option)) };
}

/** A mount must come after the one it lies in: by depth, and the given ones after the defaults. */
function mergeMounts(defaults: readonly OciMount[], given: readonly OciMount[]): OciMount[] {
  const replaced = new Set(given.map(({ destination }) => destination));
  const depth = ({ destination }: OciMount) => destination.split("/").filter((part) => part !== "").length;
  return [
    ...defaults.filter(({ destination }) => !replaced.has(destination)),
    ...[...given].sort((one, other) => depth(one) - depth(other)),
  ];
}
