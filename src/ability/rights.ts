import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { MNT, mount, resourceLimits, umount } from "../linux/index.ts";
import { ownCapabilities } from "../runtime/index.ts";
import { type Ability, attempt } from "./ability.ts";

/** What the engine cannot do without each: capability → words. */
const LOST: Readonly<Record<string, string>> = {
  NET_ADMIN: "containers have the host's network or none",
  SYS_RESOURCE: "resource limits can be lowered, not raised; OOM scores raised, not lowered",
  MKNOD: "images with device nodes cannot be unpacked",
  CHOWN: "files cannot be given to their owners",
  DAC_OVERRIDE: "files of other users are out of reach",
  SYS_PTRACE: "files and statistics of running containers are out of reach",
  SETUID: "processes cannot run as other users",
  SETGID: "processes cannot run as other groups",
  SETFCAP: "file capabilities cannot be kept, and no user namespace be mapped",
  KILL: "containers of other users cannot be stopped",
};
/** Docker's limit of open files in containers, and what programs expect. */
const USUAL_OPEN_FILES = 65_536;

/** What this process may do. */
export async function probeRights(runRoot: string): Promise<Ability[]> {
  const own = ownCapabilities();
  const missing = Object.keys(LOST).filter((name) => !own.has(name));
  const mounting = await attempt({ area: "rights", name: "mounting" }, () => mountSomething(runRoot), {
    state: "broken",
    cost: "no container can run: the engine needs CAP_SYS_ADMIN",
    cure: "run the engine as root: sudo ply serve (in a container: --privileged)",
  });
  const capabilities: Ability =
    missing.length === 0
      ? { area: "rights", name: "capabilities", state: "works", found: "all that matter" }
      : {
          area: "rights",
          name: "capabilities",
          state: "limited",
          found: `without ${missing.map((name) => `CAP_${name}`).join(", ")}`,
          cost: missing.map((name) => LOST[name]).join("; "),
          cure: "start the engine with all capabilities (systemd: CapabilityBoundingSet=~; a container: --privileged)",
        };
  return [mounting, capabilities, openFiles(own.has("SYS_RESOURCE"))];
}

function mountSomething(runRoot: string): string {
  mkdirSync(runRoot, { recursive: true, mode: 0o711 });
  const place = mkdtempSync(join(runRoot, "doctor-"));
  try {
    mount("tmpfs", place, "tmpfs", 0);
    umount(place, MNT.DETACH);
    return "may mount filesystems";
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

function openFiles(mayRaise: boolean): Ability {
  const hard = resourceLimits().get("RLIMIT_NOFILE")?.hard ?? Number.POSITIVE_INFINITY;
  const found = Number.isFinite(hard) ? `at most ${hard}` : "no limit";
  const about = { area: "rights", name: "open files", found } as const;
  if (mayRaise || hard >= USUAL_OPEN_FILES) return { ...about, state: "works" };
  return {
    ...about,
    state: "limited",
    cost: `--ulimit nofile above ${hard} is lowered to it; servers with many connections may want more`,
    cure: "ulimit -Hn 1048576 before ply serve (systemd: LimitNOFILE=1048576)",
  };
}
