import { dirname, join } from "node:path";
import { PlyError } from "../error.ts";
import type { IdMap } from "../linux/index.ts";
import { DEFAULT_SHM_SIZE, type OciMount, type SpecOptions } from "../runtime/index.ts";
import type { ContainerRecord, HostOptions } from "./containers.ts";
import type { HostSettings } from "./host-settings.ts";
import { joinedName, runningDonor } from "./joined.ts";
import { mountSharedMemory, sharedMemoryOf } from "./shared-memory.ts";

type Find = (name: string) => ContainerRecord;
type Shared = ReadonlySet<"pid" | "ipc" | "uts">;

const OWN_MODES = {
  ipc: ["", "private", "shareable", "none"],
  pid: ["", "private"],
  uts: ["", "private"],
} as const;

/** Which namespaces are the host's. Throws "invalid" for a mode that is none. */
export function sharedNamespaces(settings: HostSettings): Shared {
  const shared = new Set<"pid" | "ipc" | "uts">();
  const modes = { ipc: settings.ipcMode, pid: settings.pidMode, uts: settings.utsMode };
  for (const kind of ["ipc", "pid", "uts"] as const) {
    const mode = modes[kind] ?? "";
    const wrong = () => new PlyError("invalid", `invalid ${kind.toUpperCase()} mode: ${mode}`);
    if (mode === "host") shared.add(kind);
    else if (mode.startsWith("container:")) {
      if (kind === "uts" || joinedName(mode) === "") throw wrong();
    } else if (!(OWN_MODES[kind] as readonly string[]).includes(mode)) throw wrong();
  }
  const cgroup = settings.cgroupnsMode ?? "";
  if (!["", "host", "private"].includes(cgroup))
    throw new PlyError("invalid", `invalid cgroup namespace mode: ${cgroup}`);
  return shared;
}

/** Docker's default: a cgroup namespace of its own on cgroup v2, the host's else. Throws "invalid" in Docker's words. */
export function ownsCgroupNamespace({ privileged, settings = {} }: HostOptions, isUnified: boolean): boolean {
  const mode = settings.cgroupnsMode ?? "";
  if (mode === "") return isUnified && !privileged;
  if (mode === "private" && privileged && !isUnified)
    throw new PlyError(
      "invalid",
      "privileged mode is incompatible with private cgroup namespaces on cgroup v1 host.  You must run the container in the host cgroup namespace when running privileged mode",
    );
  return mode === "private";
}

/**
 * The users of a container that starts now. With a namespace of another container's come its users: a user namespace
 * has rights in what it owns only. Throws as {@link runningDonor}.
 */
export function usersOf(
  { host, idMap }: ContainerRecord,
  find: Find,
): { readonly idMap: IdMap | undefined; readonly userNamespace?: string } {
  const { ipcMode, pidMode } = host.settings ?? {};
  const joined = [
    [ipcMode, "IPC"],
    [pidMode, "PID namespace"],
    [host.networkMode, "network namespace"],
  ] as const;
  for (const [mode, what] of joined) {
    const name = joinedName(mode);
    if (name === undefined) continue;
    const donor = runningDonor(name, what, find);
    return donor.idMap === undefined
      ? { idMap: undefined }
      : { idMap: donor.idMap, userNamespace: `/proc/${donor.pid}/ns/user` };
  }
  return { idMap };
}

/** The namespaces of a container that starts now, and the memory that goes with them. `dir`: its directory. */
export function launchNamespaces(
  record: ContainerRecord,
  dir: string,
  find: Find,
  netnsPath = "",
): Pick<SpecOptions, "joined" | "idMap" | "withoutShm"> & { readonly mounts: readonly OciMount[] } {
  const { settings = {} } = record.host;
  const { idMap, userNamespace } = usersOf(record, find);
  const ipcName = joinedName(settings.ipcMode);
  const pidName = joinedName(settings.pidMode);
  const ipc = ipcName === undefined ? undefined : runningDonor(ipcName, "IPC", find);
  const pid = pidName === undefined ? undefined : runningDonor(pidName, "PID namespace", find);
  const mounts: OciMount[] = [];
  const memory = (source: string) =>
    mounts.push({ destination: "/dev/shm", type: "bind", source, options: ["rbind", "rprivate", "rw"] });
  if (ipc !== undefined) memory(memoryOf(ipc, dirname(dir), find));
  if (settings.ipcMode === "shareable")
    memory(mountSharedMemory(dir, settings.shmSize || DEFAULT_SHM_SIZE, idMap));
  return {
    idMap,
    mounts,
    ...(settings.ipcMode === "none" ? { withoutShm: true } : {}),
    joined: {
      ...(userNamespace === undefined ? {} : { user: userNamespace }),
      ...(ipc === undefined ? {} : { ipc: `/proc/${ipc.pid}/ns/ipc` }),
      ...(pid === undefined ? {} : { pid: `/proc/${pid.pid}/ns/pid` }),
      ...(netnsPath === "" ? {} : { network: netnsPath }),
    },
  };
}

/** Where the /dev/shm of a container is on the host. Throws "invalid" in Docker's words when others cannot have it. */
function memoryOf({ id, name, host }: ContainerRecord, home: string, find: Find): string {
  const mode = host.settings?.ipcMode ?? "";
  if (mode === "shareable") return sharedMemoryOf(join(home, id));
  if (mode === "host") return "/dev/shm";
  const further = joinedName(mode);
  if (further !== undefined) return memoryOf(runningDonor(further, "IPC", find), home, find);
  throw new PlyError(
    "invalid",
    `can't join IPC of container ${name}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
  );
}
