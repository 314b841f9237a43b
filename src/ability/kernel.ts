import { randomUUID } from "node:crypto";
import { closeSync, constants, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { readText } from "../host-file.ts";
import {
  type IdMap,
  MNT,
  mountIdMapped,
  openInRoot,
  openPidfd,
  openUserNamespace,
  umount,
} from "../linux/index.ts";
import { openSeccompProfiles, subordinateRanges } from "../runtime/index.ts";
import { type Ability, attempt } from "./ability.ts";

const NAMESPACES = ["mnt", "pid", "net", "ipc", "uts", "cgroup"] as const;
const RANGE = [{ inside: 0, outside: 100_000, size: 65_536 }];
const TRIAL_MAP: IdMap = { uids: RANGE, gids: RANGE };

/** What the kernel lets us do. `root`: the state directory. */
export async function probeKernel(root: string): Promise<Ability[]> {
  return [
    namespaces(),
    await attempt({ area: "kernel", name: "openat2" }, openBeneath, {
      state: "limited",
      cost: "files of containers cannot be reached safely: no cp, no build",
      cure: `use Linux 5.6 or newer (this is ${release()})`,
    }),
    await attempt({ area: "kernel", name: "pidfd" }, openOwnPidfd, {
      state: "limited",
      cost: "processes are known by number only",
      cure: `use Linux 5.3 or newer (this is ${release()})`,
    }),
    ...(await userNamespaces(root)),
  ];
}

/** What confines containers beyond namespaces and capabilities. */
export async function probeSecurity(): Promise<Ability[]> {
  const seccomp = await attempt({ area: "security", name: "seccomp" }, findSeccomp, {
    state: "limited",
    cost: "containers run without a system call filter",
    cure: "apt-get install golang-github-containers-common (a kernel with CONFIG_SECCOMP_FILTER)",
  });
  const optional = (name: string, file: string): Ability => {
    const text = readText(file);
    // Where there is none, nothing is lost that the host ever had.
    return { area: "security", name, state: "works", found: text === "" ? "not on this host" : "enabled" };
  };
  return [
    seccomp,
    optional("AppArmor", "/sys/kernel/security/apparmor/profiles"),
    optional("SELinux", "/sys/fs/selinux/enforce"),
  ];
}

function namespaces(): Ability {
  const missing = NAMESPACES.filter(
    (name) => statSync(`/proc/self/ns/${name}`, { throwIfNoEntry: false }) === undefined,
  );
  const about = { area: "kernel", name: "namespaces" } as const;
  if (missing.length === 0) return { ...about, state: "works", found: NAMESPACES.join(", ") };
  const isVital = missing.some((name) => name !== "cgroup");
  return {
    ...about,
    state: isVital ? "broken" : "limited",
    found: `without ${missing.join(", ")}`,
    cost: isVital ? "containers cannot be kept apart" : "--cgroupns=private has no effect",
    cure: "use a kernel with CONFIG_NAMESPACES and all kinds of them",
  };
}

function openBeneath(): string {
  const root = openSync("/", constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    closeSync(openInRoot(root, "/proc/../..", constants.O_RDONLY | constants.O_DIRECTORY));
    return "works";
  } finally {
    closeSync(root);
  }
}

function openOwnPidfd(): string {
  closeSync(openPidfd(process.pid));
  return "works";
}

async function userNamespaces(root: string): Promise<Ability[]> {
  const about = { area: "kernel", name: "user namespaces" } as const;
  const none = { state: "limited", cost: "no --userns, no --userns-remap" } as const;
  let namespace: number;
  try {
    namespace = await openUserNamespace(TRIAL_MAP);
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    return [{ ...about, ...none, found, cure: "sysctl -w user.max_user_namespaces=15000" }];
  }
  try {
    return [
      { ...about, state: "works", found: await subordinates() },
      await attempt({ area: "kernel", name: "id-mapped mounts" }, () => mountMapped(root, namespace), {
        ...none,
        cure: "put --root on ext4, xfs or btrfs, with Linux 5.19 or newer",
      }),
    ];
  } finally {
    closeSync(namespace);
  }
}

async function subordinates(): Promise<string> {
  for (const name of ["ply", "dockremap", "containers"])
    if (subordinateRanges(name).uids.length > 0) return `work; ids of ${name} in /etc/subuid`;
  return "work; for --userns=remap: echo ply:100000:65536 | tee -a /etc/subuid /etc/subgid";
}

function mountMapped(root: string, namespace: number): string {
  const home = join(root, "ingest", `${randomUUID()}.probe`);
  const place = join(home, "place");
  mkdirSync(place, { recursive: true, mode: 0o700 });
  try {
    mountIdMapped(home, place, namespace);
    try {
      if (statSync(place).uid !== TRIAL_MAP.uids[0]?.outside) throw new Error("owners are shown as they are");
      return "work on the state directory's filesystem";
    } finally {
      umount(place, MNT.DETACH);
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function findSeccomp(): Promise<string> {
  if (readText("/proc/sys/kernel/seccomp/actions_avail") === "")
    throw new Error("this kernel has no seccomp filters");
  const profile = await openSeccompProfiles().defaultFor([]);
  if (profile === null) throw new Error("no profile in /etc/containers or /usr/share/containers");
  return `default profile, ${profile.syscalls.length} rules`;
}
