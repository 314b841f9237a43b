import { constants, statfsSync } from "node:fs";
import { access } from "node:fs/promises";
import { basename, delimiter, join } from "node:path";
import { PlyError } from "../error.ts";
import { MS, mount } from "../linux/index.ts";
import { cureHybrid, inspectCgroups } from "./cgroup.ts";
import type { ToolVersions } from "./tool-version.ts";

/** An OCI runtime of this host. */
export interface RuntimeProgram {
  /** As users call it: `crun`. */
  readonly name: string;
  readonly path: string;
  readonly version: string;
  /** It speaks crun's dialect: its options, its state directory, compiled seccomp filters. */
  readonly isCrun: boolean;
}

/** The runtimes that containers may ask for by name. */
export interface RuntimePrograms {
  /** Of containers that ask for none. */
  readonly usual: RuntimeProgram;
  /** False where containers run without cgroups of their own. */
  readonly hasCgroups: boolean;
  /** What the host lacks and what that costs. */
  readonly warnings: readonly string[];
  /** Name → path, the usual one too. */
  readonly known: ReadonlyMap<string, string>;
  /** "": the usual one. Throws "invalid" in Docker's words for a name that is none. */
  get(name: string): Promise<RuntimeProgram>;
}

export interface ProgramsOptions {
  /** An OCI runtime to use instead of looking for crun, then runc. */
  readonly runtimePath?: string;
  /** More of them: name → path. */
  readonly runtimes?: Readonly<Record<string, string>>;
  /** Name of the usual one. */
  readonly defaultRuntime?: string;
  /** True: containers get no cgroups of their own (crun only). */
  readonly withoutCgroups?: boolean;
}

const RUNTIMES = ["crun", "runc"] as const;
/** Magic numbers (statfs(2)) of tmpfs and cgroup2. */
const KNOWN_PLACES: ReadonlySet<number> = new Set([0x01021994, 0x63677270]);
/** What containerd's clients call runc. */
const SHIM = /^io\.containerd\.runc\.v\d$/;

/** Finds the runtimes; mounts what crun needs of cgroups, where it can. Throws "unsupported" when there is none. */
export async function openRuntimePrograms(
  options: ProgramsOptions,
  versions: ToolVersions,
): Promise<RuntimePrograms> {
  const known = await findRuntimes(options);
  const describe = async (name: string): Promise<RuntimeProgram> => {
    const path = known.get(name) ?? "";
    // A registered runtime says itself what it is: `crun version 1.8.1`.
    const isCrun = basename(path) === "crun";
    return { name, path, version: await versions.of(path), isCrun };
  };
  const { name, hasCgroups, warnings } = await chooseUsual(options, known);
  const usual = await describe(name);
  const described = new Map([[name, usual]]);
  return {
    usual,
    hasCgroups,
    warnings,
    known,
    async get(given) {
      const wanted = SHIM.test(given) && known.has("runc") ? "runc" : given;
      if (wanted === "" || SHIM.test(wanted)) return usual;
      if (!known.has(wanted))
        throw new PlyError("invalid", `unknown or invalid runtime name: ${given}`, {
          hint: `there are: ${[...known.keys()].join(", ")}; ply serve --add-runtime NAME=PATH adds one`,
        });
      const program = described.get(wanted) ?? (await describe(wanted));
      if (!hasCgroups && !program.isCrun)
        throw new PlyError("unsupported", `${wanted} cannot run containers without cgroups`, {
          hint: "use crun, or mount cgroups (see ply doctor)",
        });
      described.set(wanted, program);
      return program;
    },
  };
}

async function findRuntimes({ runtimePath, runtimes = {} }: ProgramsOptions): Promise<Map<string, string>> {
  const known = new Map<string, string>();
  if (runtimePath !== undefined) known.set(basename(runtimePath), runtimePath);
  else
    for (const name of RUNTIMES) {
      const path = await findProgram(name);
      if (path !== undefined) known.set(name, path);
    }
  for (const [name, path] of Object.entries(runtimes)) {
    if (!(await isExecutable(path)))
      throw new PlyError("invalid", `the runtime ${name}: ${path} is no program of this host`);
    known.set(name, path);
  }
  if (known.size > 0) return known;
  throw new PlyError("unsupported", "neither crun nor runc was found in $PATH", {
    hint: "apt-get install crun",
  });
}

async function chooseUsual(
  { defaultRuntime, withoutCgroups = false }: ProgramsOptions,
  known: ReadonlyMap<string, string>,
): Promise<{ name: string; hasCgroups: boolean; warnings: string[] }> {
  const [first = "", second] = known.keys();
  const name = defaultRuntime ?? first;
  if (!known.has(name))
    throw new PlyError("invalid", `specified default runtime '${name}' does not exist`, {
      hint: `there are: ${[...known.keys()].join(", ")}`,
    });
  const isCrun = basename(known.get(name) ?? "") === "crun";
  const instead =
    name === "crun" || defaultRuntime !== undefined
      ? []
      : ["crun was not found: runc is used, which is slower (apt-get install crun)"];
  if (withoutCgroups && !isCrun)
    throw new PlyError("unsupported", `${name} cannot run containers without cgroups`, { hint: "use crun" });
  if (withoutCgroups) return { name, hasCgroups: false, warnings: [] };
  const cgroups = await inspectCgroups();
  if (cgroups.layout === "none") {
    if (!isCrun)
      throw new PlyError("unsupported", `no cgroups are mounted, and ${name} cannot run containers without`, {
        hint: "apt-get install crun, or mount cgroups: mount -t cgroup2 cgroup2 /sys/fs/cgroup",
      });
    const warning = "no cgroups are mounted: containers run without limits and without accounting";
    return { name, hasCgroups: false, warnings: [warning, ...makePlace()] };
  }
  if (!isCrun) return { name, hasCgroups: true, warnings: instead };
  if (cgroups.strayControllers.length === 0) return { name, hasCgroups: true, warnings: [] };
  const { cured, words } = await cureHybrid(cgroups);
  if (cured) return { name, hasCgroups: true, warnings: words };
  if (second !== undefined && defaultRuntime === undefined)
    return {
      name: second,
      hasCgroups: true,
      warnings: [...words, `${second} is used instead of crun, which is slower`],
    };
  return {
    name,
    hasCgroups: false,
    warnings: [...words, "containers run without cgroups: no limits and no accounting"],
  };
}

/** crun looks at what is mounted at /sys/fs/cgroup, needed or not, and knows a tmpfs or cgroup2. */
function makePlace(): string[] {
  const place = "/sys/fs/cgroup";
  if (KNOWN_PLACES.has(statfsSync(place).type)) return [];
  mount("tmpfs", place, "tmpfs", MS.NOSUID | MS.NODEV | MS.NOEXEC, "mode=755");
  return [`mounted an empty tmpfs at ${place}: crun starts nothing without one`];
}

/** Throws "unsupported" when it is not there. */
export async function findConmon(given: string | undefined): Promise<string> {
  const path = given ?? (await findProgram("conmon"));
  if (path !== undefined) return path;
  throw new PlyError("unsupported", "conmon was not found in $PATH", { hint: "apt-get install conmon" });
}

/** Looks in $PATH, then where Debian puts such programs; undefined when it is nowhere. */
export async function findProgram(name: string): Promise<string | undefined> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const usual = ["/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/usr/libexec/podman"];
  for (const folder of new Set([...folders, ...usual])) {
    if (!folder.startsWith("/")) continue;
    const path = join(folder, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
