import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf, PlyError } from "../error.ts";
import { findProgram } from "./programs.ts";
import { runTool } from "./tool.ts";

/** The profile of containers that ask for none. */
export const DEFAULT_APPARMOR_PROFILE = "ply-default";
const LOADED = "/sys/kernel/security/apparmor/profiles";

/** AppArmor on this host. */
export interface AppArmor {
  readonly isEnabled: boolean;
  /**
   * The profile for the spec; undefined: none. `wanted`: as the user named it. Loads the default profile when it is first
   * needed; throws "not-found" for a named one that is not loaded, "unavailable" when ours cannot be.
   */
  profileFor(
    wanted: string | undefined,
    options: { readonly privileged: boolean },
  ): Promise<string | undefined>;
}

/** Looks whether the host has it; nothing is loaded yet. */
export function openAppArmor(isEnabled: boolean = kernelHasIt()): AppArmor {
  let loading: Promise<void> | undefined;
  const isLoaded = async (name: string): Promise<boolean> => {
    const list = await readFile(LOADED, "utf8").catch(() => "");
    return list.split("\n").some((line) => line.startsWith(`${name} (`));
  };
  const load = async (): Promise<void> => {
    if (await isLoaded(DEFAULT_APPARMOR_PROFILE)) return;
    const parser = await findProgram("apparmor_parser");
    if (parser === undefined)
      throw new PlyError(
        "unavailable",
        "AppArmor is on, but apparmor_parser was not found to load a profile",
        {
          hint: "apt-get install apparmor, or run with --security-opt apparmor=unconfined",
        },
      );
    const dir = await mkdtemp(join(tmpdir(), "ply-apparmor-"));
    try {
      const path = join(dir, DEFAULT_APPARMOR_PROFILE);
      await writeFile(path, profileText(DEFAULT_APPARMOR_PROFILE));
      const { exitCode, output } = await runTool(parser, ["-Kr", path]);
      if (exitCode !== 0)
        throw new PlyError(
          "unavailable",
          `the AppArmor profile ${DEFAULT_APPARMOR_PROFILE} cannot be loaded: ${output.trim()}`,
        );
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  };
  return {
    isEnabled,
    async profileFor(wanted, { privileged }) {
      if (!isEnabled) return undefined;
      if (wanted === "unconfined" || (wanted === undefined && privileged)) return "unconfined";
      if (wanted === undefined || wanted === DEFAULT_APPARMOR_PROFILE) {
        loading ??= load();
        await loading.catch((error: unknown) => {
          loading = undefined;
          throw error instanceof PlyError
            ? error
            : new PlyError("unavailable", messageOf(error), { cause: error });
        });
        return DEFAULT_APPARMOR_PROFILE;
      }
      if (await isLoaded(wanted)) return wanted;
      throw new PlyError("not-found", `the AppArmor profile ${wanted} is not loaded`, {
        hint: `apparmor_parser -r /etc/apparmor.d/${wanted}`,
        // A 404 of `create` means a missing image to Docker's client.
        details: { httpStatus: 400 },
      });
    },
  };
}

function kernelHasIt(): boolean {
  try {
    return readFileSync("/sys/module/apparmor/parameters/enabled", "utf8").startsWith("Y");
  } catch {
    return false;
  }
}

/**
 * What a container is kept from beyond its capabilities: the kernel's settings and memory, mounts, and processes outside
 * (apparmor.d(5)).
 */
export function profileText(name: string): string {
  const denied = [
    "@{PROC}/sys/{abi,crypto,debug,dev,fs,user,vm}/** w,",
    // All but shm*, which is the container's own.
    "@{PROC}/sys/kernel/{[^s],s[^h],sh[^m]}** w,",
    "@{PROC}/{acpi,bus,driver,fs,irq,scsi,tty}/** w,",
    "@{PROC}/{kcore,kmem,mem,sysrq-trigger} rwklx,",
    "/sys/{block,bus,class,dev,devices,hypervisor,module,power}/** wklx,",
    "/sys/fs/{bpf,btrfs,erofs,ext4,fuse,pstore,resctrl,selinux,xfs}/** wklx,",
    "/sys/{firmware,kernel/security,devices/virtual/powercap}/** rwklx,",
    "mount,",
  ];
  const allowed = [
    "network,",
    "capability,",
    "file,",
    "umount,",
    "signal (receive) peer=unconfined,",
    "signal (receive) peer={crun,runc,conmon},",
    `signal (send,receive) peer=${name},`,
    `ptrace (trace,read,tracedby,readby) peer=${name},`,
  ];
  return [
    "#include <tunables/global>",
    `profile ${name} flags=(attach_disconnected,mediate_deleted) {`,
    "  #include <abstractions/base>",
    ...allowed.map((rule) => `  ${rule}`),
    ...denied.map((rule) => `  deny ${rule}`),
    "}",
    "",
  ].join("\n");
}
