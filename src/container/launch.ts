import { chownSync, mkdirSync, statSync } from "node:fs";
import { posix } from "node:path";
import { PlyError } from "../error.ts";
import { type IdMap, outsideId } from "../linux/index.ts";
import {
  buildSpec,
  cgroupPathOf,
  hasSelinux,
  inspectCgroups,
  type LimitAbilities,
  listHostDevices,
  NO_LIMITS,
  type OciMount,
  type OciRuntime,
  type OciSpec,
  ociLimits,
  openAppArmor,
  openSeccompProfiles,
  ownCapabilities,
  resolveCapabilities,
  resolveInRoot,
  resolveUser,
  selinuxContexts,
} from "../runtime/index.ts";
import type { Volumes } from "../volume/index.ts";
import { cgroupParentOf } from "./cgroup-parent.ts";
import type { ContainerRecord, HostOptions } from "./containers.ts";
import { etcMounts, etcMountsBeside, writeEtcFiles } from "./etc-files.ts";
import { checkSettings, launchMounts, launchSettings } from "./host-launch.ts";
import { joinedName } from "./joined.ts";
import type { MountHolds } from "./mount-holds.ts";
import { type Mountpoint, makeMountpoint } from "./mountpoint.ts";
import { launchNamespaces, ownsCgroupNamespace } from "./namespaces.ts";
import { hasHostNetwork, type LaunchNetwork } from "./networking.ts";
import { type OwnName, ownNameOf } from "./own-name.ts";
import { commandLine, mergeEnv, processEnv } from "./process-config.ts";
import { type Confinement, resolveSecurity } from "./security-option.ts";

/** What stays the same for all containers of an engine, looked up once. */
export interface LaunchContext {
  readonly volumes: Volumes;
  readonly holds: MountHolds;
  readonly hasCgroups: boolean;
  readonly unifiedCgroups: boolean;
  readonly find: (name: string) => ContainerRecord;
  readonly limits: LimitAbilities;
  readonly capabilities: ReadonlySet<string>;
  readonly confinement: Confinement;
  /** Variables that no record of a container may have, by its id, until it is started. */
  readonly secretEnv: Map<string, readonly string[]>;
}

export async function openLaunchContext(
  volumes: Volumes,
  holds: MountHolds,
  { hasCgroups, limits }: Pick<OciRuntime, "hasCgroups" | "limits">,
  find: LaunchContext["find"],
): Promise<LaunchContext> {
  const cgroups = await inspectCgroups();
  return {
    volumes,
    holds,
    find,
    hasCgroups,
    limits,
    unifiedCgroups: cgroups.layout === "v2",
    secretEnv: new Map(),
    capabilities: ownCapabilities(),
    confinement: {
      seccomp: openSeccompProfiles(),
      apparmor: openAppArmor(),
      selinux: hasSelinux() ? selinuxContexts() : undefined,
    },
  };
}

/** Checks all that can be checked without the root filesystem. Throws "invalid"; returns warnings. */
export async function checkLaunch(context: LaunchContext, host: HostOptions): Promise<string[]> {
  ownsCgroupNamespace(host, context.unifiedCgroups);
  const settings = await checkSettings(host, hasHostNetwork(host) ? "host" : "none", context.capabilities);
  const { capabilities, warnings } = capabilitiesOf(context, host);
  const security = await resolveSecurity(host, capabilities, context.confinement);
  return [...settings, ...warnings, ...security.warnings];
}

/**
 * Writes and makes all that a container needs beside its mounted root, and says how to run it. `onMountpoint`
 * hears of each place made in the root before anything can go wrong with the next.
 */
export async function prepareLaunch(
  context: LaunchContext,
  record: ContainerRecord,
  place: {
    readonly dir: string;
    readonly rootfs: string;
    readonly network: LaunchNetwork;
    readonly onMountpoint: (made: readonly Mountpoint[]) => void;
  },
): Promise<OciSpec> {
  const { config, process, host } = record;
  const network = place.network.kind === "host" ? "host" : "none";
  const name = ownNameOf(record, context.find);
  const { hostname, domainname } = name;
  const { capabilities } = capabilitiesOf(context, host);
  const { mounts: memory, ...namespaces } = launchNamespaces(
    record,
    place.dir,
    context.find,
    place.network.netnsPath,
  );
  const { idMap } = namespaces;
  const [etc, user, security, hostDevices, more] = await Promise.all([
    etcFiles(context, record, place, name, idMap !== undefined),
    resolveUser(place.rootfs, config.User ?? ""),
    resolveSecurity(host, capabilities, context.confinement, record.id),
    host.privileged ? listHostDevices() : [],
    launchSettings(host, { rootfs: place.rootfs, capabilities: context.capabilities }),
  ]);
  const { before, deviceEnv, additionalGids, mounts: ours, ...settings } = more;
  const { rootfs } = place;
  const given = await launchMounts(context, record, { rootfs, idMap });
  const taken = new Set(given.map(({ destination }) => destination));
  const mounts = outerFirst([
    ...[...etcMountsBeside(given, etc, host.isStep), ...ours, ...memory].filter(
      ({ destination }) => !taken.has(destination),
    ),
    ...given,
  ]);
  const cwd =
    config.WorkingDir === undefined || config.WorkingDir === "" ? "/" : posix.join("/", config.WorkingDir);
  const owner = rootOf(idMap);
  makeWorkingDirectory(rootfs, cwd, owner);
  makePlaces(place, mounts, owner);
  return buildSpec({
    rootfs,
    readOnlyRootfs: host.readOnlyRootfs,
    ...settings,
    ...namespaces,
    args: [...before, ...commandLine(config)],
    env: withSecrets(
      context,
      record.id,
      processEnv(config, {
        hostname,
        home: user.home,
        terminal: process.tty,
        linked: place.network.linkedEnv,
      }),
      deviceEnv,
    ),
    cwd,
    user: {
      uid: user.uid,
      gid: user.gid,
      additionalGids: [...new Set([...user.additionalGids, ...additionalGids])],
    },
    terminal: process.tty,
    ...(host.consoleSize === undefined ? {} : { consoleSize: host.consoleSize }),
    hostname,
    domainname,
    network,
    mounts,
    privileged: host.privileged,
    capabilities,
    seccomp: security.seccomp,
    apparmor: security.apparmor,
    selinux: security.selinux,
    noNewPrivileges: security.noNewPrivileges,
    cgroupsPath: context.hasCgroups ? cgroupPathOf(record.id, cgroupParentOf(host.settings ?? {})) : null,
    ownCgroupNamespace: ownsCgroupNamespace(host, context.unifiedCgroups),
    controlsDevices: context.limits.devices,
    limits: ociLimits(host.resources ?? NO_LIMITS, context.limits),
    devices: [
      ...hostDevices.filter(({ path }) => !settings.devices.some((device) => device.path === path)),
      ...settings.devices,
    ],
  });
}

/** Its own files of /etc, or those of the container whose network it shares. */
async function etcFiles(
  { find }: LaunchContext,
  { host }: ContainerRecord,
  { dir, network }: { readonly dir: string; readonly network: LaunchNetwork },
  name: OwnName,
  idMapped: boolean,
): Promise<OciMount[]> {
  let lender = network.lender;
  for (let further = lender; further !== undefined; ) {
    lender = further;
    const joined = joinedName(lender.host.networkMode);
    further = joined === undefined ? undefined : find(joined);
  }
  if (lender !== undefined) return etcMounts(posix.join(dir, "..", lender.id), idMapped);
  await writeEtcFiles(dir, { network, name, settings: host.settings ?? {} });
  return etcMounts(dir, idMapped);
}

function capabilitiesOf(context: LaunchContext, { capAdd, capDrop, privileged }: HostOptions) {
  // Without the device cgroup, who makes a device node has the device.
  const available = new Set(context.capabilities);
  if (!context.limits.devices && !privileged) available.delete("MKNOD");
  return resolveCapabilities({ add: capAdd, drop: capDrop, privileged, available });
}

function withSecrets(
  { secretEnv }: LaunchContext,
  id: string,
  env: readonly string[],
  deviceEnv: readonly string[],
): string[] {
  const secrets = secretEnv.get(id) ?? [];
  secretEnv.delete(id);
  return mergeEnv(env, [...deviceEnv, ...secrets]);
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** The container's root user; undefined: ours. */
function rootOf(idMap: IdMap | undefined): Owner | undefined {
  if (idMap === undefined) return undefined;
  return { uid: outsideId(idMap.uids, 0) ?? 0, gid: outsideId(idMap.gids, 0) ?? 0 };
}

/** What lies in another mount is mounted after it; else in the order given. */
function outerFirst(mounts: readonly OciMount[]): OciMount[] {
  const depth = ({ destination }: OciMount) => destination.split("/").length;
  return [...mounts].sort((a, b) => depth(a) - depth(b));
}

function makeWorkingDirectory(rootfs: string, cwd: string, owner: Owner | undefined): void {
  const path = resolveInRoot(rootfs, cwd);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    const first = mkdirSync(path, { recursive: true, mode: 0o755 }) ?? path;
    if (owner !== undefined)
      for (let made = path; made.startsWith(first); made = posix.dirname(made))
        chownSync(made, owner.uid, owner.gid);
  } else if (!stat.isDirectory()) throw new PlyError("invalid", `Cannot mkdir: ${cwd} is not a directory`);
}

/** Mountpoints that the image lacks: ours to make, so that we know what is no change of the container's. */
function makePlaces(
  {
    rootfs,
    onMountpoint,
  }: { readonly rootfs: string; readonly onMountpoint: (made: readonly Mountpoint[]) => void },
  mounts: readonly OciMount[],
  owner: Owner | undefined,
): void {
  const places: [string, Mountpoint["kind"]][] = [
    ["/proc", "directory"],
    ["/dev", "directory"],
    ["/sys", "directory"],
  ];
  const isOnMount = (target: string) =>
    /^\/(proc|dev|sys)\//.test(target) ||
    mounts.some(({ destination }) => destination !== target && target.startsWith(`${destination}/`));
  for (const { destination, source, type } of mounts)
    if (!isOnMount(destination))
      places.push([destination, type === "tmpfs" || statSync(source).isDirectory() ? "directory" : "file"]);
  for (const [target, kind] of places) {
    const made = makeMountpoint(rootfs, target, kind, owner);
    if (made.length > 0) onMountpoint(made);
  }
}
