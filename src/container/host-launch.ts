import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { release } from "node:os";
import { PlyError } from "../error.ts";
import { type IdMap, resourceLimits } from "../linux/index.ts";
import {
  clampRlimits,
  DEFAULT_SHM_SIZE,
  type DeviceRule,
  findDevices,
  findInit,
  type OciDevice,
  type OciMount,
  resolveGroups,
  resolveInRoot,
  type SpecOptions,
} from "../runtime/index.ts";
import type { Volumes } from "../volume/index.ts";
import { cdiAdditions } from "./cdi-devices.ts";
import { cgroupParentOf } from "./cgroup-parent.ts";
import type { ContainerMount, ContainerRecord, HostOptions } from "./containers.ts";
import { checkDns, parseExtraHost } from "./etc-files.ts";
import { checkSysctls, type HostSettings, parseDeviceRule, rlimitOf } from "./host-settings.ts";
import type { MountHolds } from "./mount-holds.ts";
import { sharedNamespaces } from "./namespaces.ts";
import { unmapOwners } from "./unmap-owners.ts";

/** Where Docker puts the init process. */
const INIT_PLACE = "/sbin/docker-init";
const OOM_SCORE_LIMIT = 1000;

/** Checks the settings before there is a root filesystem. Throws "invalid"; returns warnings. */
export async function checkSettings(
  host: HostOptions,
  network: "host" | "none",
  capabilities: ReadonlySet<string>,
): Promise<string[]> {
  const { settings = {} } = host;
  const warnings: string[] = [];
  const shared = sharedNamespaces(settings);
  checkSysctls(settings.sysctls ?? {}, {
    network: network !== "host",
    ipc: !shared.has("ipc"),
    uts: !shared.has("uts"),
  });
  checkDns(settings);
  cgroupParentOf(settings);
  for (const line of settings.extraHosts ?? []) parseExtraHost(line);
  for (const rule of settings.deviceCgroupRules ?? []) parseDeviceRule(rule);
  await cdiAdditions(settings.cdiDevices ?? []);
  if ((settings.shmSize ?? 0) < 0) throw new PlyError("invalid", "SHM size can not be less than 0");
  warnings.push(...rlimitsOf(settings, capabilities).warnings);
  const score = settings.oomScoreAdj ?? 0;
  if (Math.abs(score) > OOM_SCORE_LIMIT)
    throw new PlyError("invalid", `Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  warnings.push(...oomScoreOf(settings, capabilities).warnings);
  if (settings.init && (await findInit()) === undefined)
    warnings.push(
      "no init program was found on this host, the container runs without (install catatonit or tini)",
    );
  return warnings;
}

type FromSettings = Pick<
  SpecOptions,
  | "rlimits"
  | "devices"
  | "deviceRules"
  | "hooks"
  | "shared"
  | "domainname"
  | "sysctls"
  | "oomScoreAdj"
  | "annotations"
  | "maskedPaths"
  | "readonlyPaths"
  | "shmSize"
> & {
  /** In front of the command line. */
  readonly before: readonly string[];
  /** `NAME=value`, of devices. */
  readonly deviceEnv: readonly string[];
  readonly additionalGids: readonly number[];
  readonly mounts: readonly OciMount[];
};

/** What the settings come to for a container that starts now. */
export async function launchSettings(
  { settings = {}, privileged }: HostOptions,
  own: { readonly rootfs: string; readonly capabilities: ReadonlySet<string> },
): Promise<FromSettings> {
  const shared = sharedNamespaces(settings);
  const init = settings.init ? await findInit() : undefined;
  const { devices, rules } = privileged ? { devices: [], rules: [] } : await devicesOf(settings);
  const cdi = await cdiAdditions(settings.cdiDevices ?? []);
  const oomScore = oomScoreOf(settings, own.capabilities).score;
  const mounts: OciMount[] = [...cdi.mounts];
  const bind = (source: string, destination: string, ...options: string[]) =>
    mounts.push({ destination, type: "bind", source, options: ["rbind", "rprivate", ...options] });
  if (init !== undefined) bind(init, INIT_PLACE, "ro");
  if (shared.has("ipc"))
    for (const place of ["/dev/shm", "/dev/mqueue"])
      if (statSync(place, { throwIfNoEntry: false }) !== undefined) bind(place, place);
  return {
    before: init === undefined ? [] : [INIT_PLACE, "--"],
    deviceEnv: cdi.env,
    hooks: cdi.hooks,
    additionalGids: [...(await resolveGroups(own.rootfs, settings.groupAdd ?? [])), ...cdi.additionalGids],
    mounts,
    rlimits: rlimitsOf(settings, own.capabilities).rlimits,
    devices: [...devices, ...cdi.devices],
    deviceRules: [...rules, ...cdi.rules],
    shared,
    shmSize: settings.shmSize || DEFAULT_SHM_SIZE,
    ...(settings.sysctls === undefined ? {} : { sysctls: settings.sysctls }),
    ...(oomScore === undefined ? {} : { oomScoreAdj: oomScore }),
    ...(settings.annotations === undefined ? {} : { annotations: settings.annotations }),
    ...(settings.maskedPaths === undefined ? {} : { maskedPaths: settings.maskedPaths }),
    ...(settings.readonlyPaths === undefined ? {} : { readonlyPaths: settings.readonlyPaths }),
  };
}

function rlimitsOf({ ulimits = [] }: HostSettings, capabilities: ReadonlySet<string>) {
  if (ulimits.length === 0) return { rlimits: [], warnings: [] };
  return clampRlimits(ulimits.map(rlimitOf), resourceLimits(), mayRaise(capabilities));
}

function oomScoreOf({ oomScoreAdj: score = 0 }: HostSettings, capabilities: ReadonlySet<string>) {
  if (score === 0) return { score: undefined, warnings: [] };
  const own = Number(readFileSync("/proc/self/oom_score_adj", "utf8"));
  if (score >= own || mayRaise(capabilities)) return { score, warnings: [] };
  return {
    score: own,
    warnings: [`the OOM score is raised from ${score} to ${own}, the least this host allows`],
  };
}

function mayRaise(capabilities: ReadonlySet<string>): boolean {
  return capabilities.has("CAP_SYS_RESOURCE");
}

async function devicesOf(settings: HostSettings): Promise<{ devices: OciDevice[]; rules: DeviceRule[] }> {
  const devices: OciDevice[] = [];
  const rules: DeviceRule[] = [];
  for (const { pathOnHost, pathInContainer, access } of settings.devices ?? [])
    for (const device of await findDevices(pathOnHost, pathInContainer || pathOnHost)) {
      const { type, major, minor } = device;
      devices.push(device);
      rules.push({ allow: true, type, major, minor, access: access || "rwm" });
    }
  return { devices, rules: [...rules, ...(settings.deviceCgroupRules ?? []).map(parseDeviceRule)] };
}

/** The mounts as the runtime wants them; makes what is missing on the host and fills fresh volumes. */
export async function launchMounts(
  { volumes, holds }: { readonly volumes: Volumes; readonly holds: MountHolds },
  record: ContainerRecord,
  { rootfs, idMap }: { readonly rootfs: string; readonly idMap: IdMap | undefined },
): Promise<OciMount[]> {
  const made: OciMount[] = [];
  for (const mount of record.mounts ?? []) {
    const { kind, target: destination, readOnly, propagation } = mount;
    if (kind === "tmpfs") {
      made.push({ destination, type: "tmpfs", source: "tmpfs", options: mount.options ?? [] });
      continue;
    }
    const source =
      kind === "volume"
        ? await volumePath(volumes, mount, { rootfs, idMap })
        : kind === "image"
          ? within(mount, holds.imagePath(record, mount))
          : bindSource(mount);
    const options = [mount.nonRecursive ? "bind" : "rbind", propagation, readOnly ? "ro" : "rw"];
    // Nothing lies below a file, and crun would open it as a directory.
    const hasBelow = !mount.nonRecursive && statSync(source).isDirectory();
    if (readOnly && hasBelow && !mount.writableBelow && canProtectBelow(release())) options.push("rro");
    // A volume's files belong to the same users whoever has it mounted; the host's own files to whom they belong there.
    if (idMap !== undefined && (kind !== "bind" || mount.idMapped)) options.push("idmap");
    made.push({ destination, type: "bind", source, options });
  }
  return made;
}

/** mount_setattr(2), which makes a whole tree of mounts read-only, came with Linux 5.12. */
export function canProtectBelow(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  return major > 5 || (major === 5 && minor >= 12);
}

async function volumePath(
  volumes: Volumes,
  mount: ContainerMount,
  { rootfs, idMap }: { readonly rootfs: string; readonly idMap: IdMap | undefined },
): Promise<string> {
  const { source: name, target, noCopy, subpath } = mount;
  const { path } = await volumes.ensure({ name });
  if (!noCopy && subpath === undefined) {
    const isFresh = idMap !== undefined && readdirSync(path).length === 0;
    await volumes.populate(name, resolveInRoot(rootfs, target));
    if (isFresh) unmapOwners(path, idMap);
  }
  return within(mount, path);
}

/** Links in a volume or an image never lead out of it. */
function within({ kind, source, subpath }: ContainerMount, path: string): string {
  if (subpath === undefined) return path;
  const found = resolveInRoot(path, `/${subpath}`);
  if (statSync(found, { throwIfNoEntry: false }) === undefined)
    throw new PlyError(
      "invalid",
      `cannot access path ${subpath} of ${kind} ${source}: no such file or directory`,
    );
  return found;
}

function bindSource(mount: ContainerMount): string {
  checkSource(mount);
  if (statSync(mount.source, { throwIfNoEntry: false }) === undefined)
    mkdirSync(mount.source, { recursive: true });
  return mount.source;
}

/** Throws "invalid" in Docker's words for a bind whose source must be there and is not. */
export function checkSource(
  mount: Pick<ContainerMount, "kind" | "mustExist"> & { readonly source: string | null },
): void {
  const { kind, source, mustExist } = mount;
  if (kind !== "bind" || !mustExist || source === null) return;
  if (statSync(source, { throwIfNoEntry: false }) === undefined)
    throw new PlyError(
      "invalid",
      `invalid mount config for type "bind": bind source path does not exist: ${source}`,
    );
}
