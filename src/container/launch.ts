import { mkdirSync, statSync } from "node:fs";
import { hostname as hostHostname } from "node:os";
import { posix } from "node:path";
import { PlyError } from "../error.ts";
import {
  buildSpec,
  cgroupPathOf,
  inspectCgroups,
  type LimitAbilities,
  listHostDevices,
  NO_LIMITS,
  type OciMount,
  type OciRuntime,
  type OciSpec,
  ociLimits,
  openSeccompProfiles,
  ownCapabilities,
  resolveCapabilities,
  resolveInRoot,
  resolveUser,
} from "../runtime/index.ts";
import type { Volumes } from "../volume/index.ts";
import type { ContainerRecord, HostOptions } from "./containers.ts";
import { writeEtcFiles } from "./etc-files.ts";
import { checkSettings, launchMounts, launchSettings } from "./host-launch.ts";
import { type Mountpoint, makeMountpoint } from "./mountpoint.ts";
import { commandLine, processEnv } from "./process-config.ts";
import { resolveSecurity } from "./security-option.ts";

/** What stays the same for all containers of an engine, looked up once. */
export interface LaunchContext {
  readonly volumes: Volumes;
  readonly hasCgroups: boolean;
  readonly unifiedCgroups: boolean;
  readonly limits: LimitAbilities;
  readonly capabilities: ReadonlySet<string>;
  readonly seccomp: ReturnType<typeof openSeccompProfiles>;
}

export async function openLaunchContext(
  volumes: Volumes,
  { hasCgroups, limits }: Pick<OciRuntime, "hasCgroups" | "limits">,
): Promise<LaunchContext> {
  const cgroups = await inspectCgroups();
  return {
    volumes,
    hasCgroups,
    limits,
    unifiedCgroups: cgroups.layout === "v2",
    capabilities: ownCapabilities(),
    seccomp: openSeccompProfiles(),
  };
}

/** Checks all that can be checked without the root filesystem. Throws "invalid"; returns warnings. */
export async function checkLaunch(context: LaunchContext, host: HostOptions): Promise<string[]> {
  const settings = await checkSettings(host, networkOf(host), context.capabilities);
  const { capabilities, warnings } = capabilitiesOf(context, host);
  const security = await resolveSecurity(host, capabilities, context.seccomp);
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
    readonly onMountpoint: (made: readonly Mountpoint[]) => void;
  },
): Promise<OciSpec> {
  const { config, process, host } = record;
  const network = networkOf(host);
  const isHosts = network === "host" || host.settings?.utsMode === "host";
  const hostname = process.hostname || (isHosts ? hostHostname() : record.id.slice(0, 12));
  const { capabilities } = capabilitiesOf(context, host);
  const [etc, user, security, hostDevices, more] = await Promise.all([
    writeEtcFiles(place.dir, { network, hostname, settings: host.settings }),
    resolveUser(place.rootfs, config.User ?? ""),
    resolveSecurity(host, capabilities, context.seccomp),
    host.privileged ? listHostDevices() : [],
    launchSettings(host, { rootfs: place.rootfs, capabilities: context.capabilities }),
  ]);
  const { before, additionalGids, mounts: ours, ...settings } = more;
  const given = await launchMounts(context.volumes, record.mounts ?? [], place.rootfs);
  const taken = new Set(given.map(({ destination }) => destination));
  const mounts = [...[...etc, ...ours].filter(({ destination }) => !taken.has(destination)), ...given];
  const cwd =
    config.WorkingDir === undefined || config.WorkingDir === "" ? "/" : posix.join("/", config.WorkingDir);
  makeWorkingDirectory(place.rootfs, cwd);
  makePlaces(place, mounts);
  return buildSpec({
    rootfs: place.rootfs,
    readOnlyRootfs: host.readOnlyRootfs,
    ...settings,
    args: [...before, ...commandLine(config)],
    env: processEnv(config, { hostname, home: user.home, terminal: process.tty }),
    cwd,
    user: {
      uid: user.uid,
      gid: user.gid,
      additionalGids: [...new Set([...user.additionalGids, ...additionalGids])],
    },
    terminal: process.tty,
    ...(host.consoleSize === undefined ? {} : { consoleSize: host.consoleSize }),
    hostname,
    domainname: process.domainname ?? "",
    network,
    mounts,
    privileged: host.privileged,
    capabilities,
    seccomp: security.seccomp,
    noNewPrivileges: security.noNewPrivileges,
    cgroupsPath: context.hasCgroups ? cgroupPathOf(record.id) : null,
    unifiedCgroups: context.unifiedCgroups,
    limits: ociLimits(host.resources ?? NO_LIMITS, context.limits),
    devices: [...hostDevices, ...settings.devices],
  });
}

function capabilitiesOf(context: LaunchContext, { capAdd, capDrop, privileged }: HostOptions) {
  return resolveCapabilities({ add: capAdd, drop: capDrop, privileged, available: context.capabilities });
}

function networkOf({ networkMode }: HostOptions): "host" | "none" {
  if (networkMode === "host") return "host";
  if (networkMode === "none" || networkMode === "default" || networkMode === "") return "none";
  throw new PlyError("not-found", `network ${networkMode} not found`, {
    hint: "host and none are there for now",
  });
}

function makeWorkingDirectory(rootfs: string, cwd: string): void {
  const path = resolveInRoot(rootfs, cwd);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) mkdirSync(path, { recursive: true, mode: 0o755 });
  else if (!stat.isDirectory()) throw new PlyError("invalid", `Cannot mkdir: ${cwd} is not a directory`);
}

/** Mountpoints that the image lacks: ours to make, so that we know what is no change of the container's. */
function makePlaces(
  {
    rootfs,
    onMountpoint,
  }: { readonly rootfs: string; readonly onMountpoint: (made: readonly Mountpoint[]) => void },
  mounts: readonly OciMount[],
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
    const made = makeMountpoint(rootfs, target, kind);
    if (made.length > 0) onMountpoint(made);
  }
}
