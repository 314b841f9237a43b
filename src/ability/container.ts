import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  buildSpec,
  cgroupPathOf,
  inspectCgroups,
  type OciMount,
  type OciSpec,
  openRuntime,
  openSeccompProfiles,
  ownCapabilities,
  resolveCapabilities,
  type SpecOptions,
} from "../runtime/index.ts";
import { type Ability, attempt } from "./ability.ts";

/** A healthy host takes 50 ms. */
const TIME_LIMIT_MS = 20_000;
/** Of this host, for the program that is run. */
const DIRECTORIES = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/** Runs a program of this host in a container, with all that confines containers, and without an image. */
export function probeContainer(): Promise<Ability> {
  return attempt({ area: "container", name: "trial run" }, runOne, {
    state: "broken",
    cost: "containers do not start",
    cure: "cure what is broken above, else report this as a bug of ply",
  });
}

async function runOne(): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "ply-doctor-"));
  try {
    return await runIn(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function runIn(dir: string): Promise<string> {
  const id = `doctor-${randomUUID()}`;
  const begun = performance.now();
  await using runtime = await openRuntime({ runRoot: join(dir, "run") });
  try {
    const rootfs = join(dir, "root");
    await runtime.create({
      id,
      spec: spec(rootfs, {
        cgroupsPath: runtime.hasCgroups ? cgroupPathOf(id) : null,
        controlsDevices: runtime.limits.devices,
      }),
      terminal: false,
      stdin: false,
      stdinOnce: false,
      logPath: null,
    });
    await runtime.start(id);
    const { exitCode } = await runtime.waitExit(id, AbortSignal.timeout(TIME_LIMIT_MS));
    if (exitCode !== 0) throw new Error(`the trial ended with exit code ${exitCode}`);
    return `${runtime.name} ${runtime.version}, conmon ${runtime.conmonVersion}: ran in ${Math.round(performance.now() - begun)} ms`;
  } finally {
    await runtime.delete(id).catch(() => undefined);
  }
}

async function spec(
  rootfs: string,
  cgroup: Pick<SpecOptions, "cgroupsPath" | "controlsDevices">,
): Promise<OciSpec> {
  const mounts = DIRECTORIES.filter((path) => existsSync(path)).map((path): OciMount => {
    mkdirSync(join(rootfs, path), { recursive: true });
    return { destination: path, type: "bind", source: path, options: ["rbind", "rprivate", "ro"] };
  });
  for (const path of ["proc", "dev", "sys"]) mkdirSync(join(rootfs, path), { recursive: true });
  const { capabilities } = resolveCapabilities({
    add: [],
    drop: [],
    privileged: false,
    available: ownCapabilities(),
  });
  const { layout } = await inspectCgroups();
  return buildSpec({
    rootfs,
    readOnlyRootfs: true,
    args: ["true"],
    env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
    cwd: "/",
    user: { uid: 0, gid: 0, additionalGids: [] },
    terminal: false,
    hostname: "doctor",
    network: "none",
    mounts,
    privileged: false,
    capabilities,
    seccomp: await openSeccompProfiles().defaultFor(capabilities),
    noNewPrivileges: true,
    rlimits: [],
    ...cgroup,
    ownCgroupNamespace: layout === "v2",
    shmSize: 65_536,
    devices: [],
  });
}
