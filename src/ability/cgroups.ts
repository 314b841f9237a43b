import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readText } from "../host-file.ts";
import {
  type Cgroups,
  hasQuickMoves,
  hierarchyOf,
  inspectCgroups,
  mayLoadPrograms,
} from "../runtime/index.ts";
import { type Ability, attempt } from "./ability.ts";

interface Controller {
  readonly name: string;
  /** On the unified hierarchy; absent: the same name. null: it is no controller there. */
  readonly unified?: string | null;
  /** A file and a value that a container's limit comes to, by layout. */
  readonly v1: readonly [file: string, value: string];
  readonly v2: readonly [file: string, value: string];
  readonly cost: string;
}

/** A line about a block device of this host; "" where it has none. */
function blockDevice(value: string): string {
  try {
    const [name = ""] = readdirSync("/sys/block");
    return `${readFileSync(join("/sys/block", name, "dev"), "utf8").trim()} ${value}`;
  } catch {
    return "";
  }
}

/** What containers use, and what they go without. */
const controllers = (): readonly Controller[] => [
  {
    name: "memory",
    v1: ["memory.limit_in_bytes", "67108864"],
    v2: ["memory.max", "67108864"],
    cost: "-m and --memory-* are discarded, stats show no memory",
  },
  {
    name: "cpu",
    v1: ["cpu.shares", "512"],
    v2: ["cpu.max", "50000 100000"],
    cost: "--cpus, --cpu-shares and --cpu-quota are discarded",
  },
  {
    name: "cpuset",
    v1: ["cpuset.cpus", "0"],
    v2: ["cpuset.cpus", "0"],
    cost: "--cpuset-cpus and --cpuset-mems are discarded",
  },
  { name: "pids", v1: ["pids.max", "100"], v2: ["pids.max", "100"], cost: "--pids-limit is discarded" },
  {
    name: "devices",
    unified: null,
    v1: ["devices.deny", "b *:* m"],
    v2: ["cgroup.type", ""],
    cost: "containers run without CAP_MKNOD, and device nodes of images do not open",
  },
  {
    name: "freezer",
    unified: null,
    v1: ["freezer.state", "THAWED"],
    v2: ["cgroup.freeze", "0"],
    cost: "containers cannot be paused",
  },
  {
    name: "blkio",
    unified: "io",
    // Of a device that is there; 0 is no limit.
    v1: ["blkio.throttle.read_bps_device", blockDevice("0")],
    v2: ["cgroup.procs", ""],
    cost: "--blkio-weight and --device-*-bps are discarded",
  },
];

const CGROUP_ROOT = "/sys/fs/cgroup";

/** The layout, and each controller tried with a limit on a cgroup without processes. */
export async function probeCgroups(): Promise<Ability[]> {
  const cgroups = await inspectCgroups();
  const { layout, strayControllers } = cgroups;
  if (layout === "none")
    return [
      {
        area: "cgroups",
        name: "layout",
        state: "limited",
        found: `nothing is mounted in ${CGROUP_ROOT}`,
        cost: "containers run without limits, without accounting, and cannot be paused; runc runs none",
        cure: `mkdir -p ${CGROUP_ROOT} && mount -t cgroup2 cgroup2 ${CGROUP_ROOT}`,
      },
    ];
  const about = { area: "cgroups", name: "layout" } as const;
  const stray: Ability = {
    ...about,
    state: "limited",
    found: `hybrid, with ${strayControllers.join(", ")} on the v2 side`,
    cost: "crun refuses that: containers run on runc, or without cgroups",
    cure: strayControllers.map(mountCommand).join(" && "),
  };
  return [
    strayControllers.length > 0 && layout === "hybrid" ? stray : { ...about, state: "works", found: layout },
    ...(await withTrialCgroup(cgroups, (trial) =>
      Promise.all(controllers().map((each) => probe(cgroups, each, trial))),
    )),
    quickMoves(),
  ];
}

/** A choice, no lack: what it brings and costs is found either way. */
function quickMoves(): Ability {
  const found = hasQuickMoves()
    ? "on, for the whole host: starts take some 10 ms less, each fork and exit a little more (against it: ply serve --cgroup-favordynmods=false, and reboot)"
    : "off: starts take some 10 ms more (for it: Linux 6.0, and ply serve without --cgroup-favordynmods=false)";
  return { area: "cgroups", name: "favordynmods", state: "works", found };
}

/** `trial`: a cgroup's name below each hierarchy. */
async function withTrialCgroup<T>(cgroups: Cgroups, use: (trial: string) => Promise<T>): Promise<T> {
  const trial = `ply-doctor-${randomUUID()}`;
  try {
    return await use(trial);
  } finally {
    for (const hierarchy of cgroups.hierarchies)
      try {
        rmdirSync(join(hierarchy, trial));
      } catch {
        // This one was not tried.
      }
  }
}

function probe(cgroups: Cgroups, controller: Controller, trial: string): Promise<Ability> {
  const { name, cost } = controller;
  return attempt({ area: "cgroups", name }, () => tryController(cgroups, controller, trial), {
    state: "limited",
    cost,
    cure: cureOf(cgroups, controller),
  });
}

function tryController(
  cgroups: Cgroups,
  { name, unified = name, v1, v2 }: Controller,
  trial: string,
): string {
  const hierarchy = hierarchyOf(cgroups, name);
  if (hierarchy === undefined) throw new Error("not mounted");
  const directory = join(hierarchy.path, trial);
  if (hierarchy.isUnified) {
    if (
      unified !== null &&
      !readText(join(hierarchy.path, "cgroup.controllers")).split(/\s+/).includes(unified)
    )
      throw new Error("this kernel has it not, or the cgroup above keeps it");
    if (name === "devices" && !mayLoadPrograms())
      throw new Error("this process may not lift the limit of locked memory, as device rules want it");
    if (unified !== null) writeFileSync(join(hierarchy.path, "cgroup.subtree_control"), `+${unified}`);
  }
  mkdirSync(directory, { recursive: true });
  const [file, value] = hierarchy.isUnified ? v2 : v1;
  if (value !== "") writeFileSync(join(directory, file), value);
  return hierarchy.isUnified ? "cgroup v2" : "cgroup v1";
}

function cureOf({ layout }: Cgroups, { name, unified = name }: Controller): string {
  if (layout === "v2" && name === "devices")
    return "ulimit -l unlimited before ply serve (systemd: LimitMEMLOCK=infinity)";
  if (layout === "v2") return `echo +${unified ?? name} > ${CGROUP_ROOT}/cgroup.subtree_control`;
  const known = readText("/proc/cgroups")
    .split("\n")
    .map((line) => line.split(/\s+/))
    .find(([subsystem]) => subsystem === name);
  if (known === undefined) return "use a kernel that has this controller";
  return known[3] === "0" ? `boot with cgroup_enable=${name}` : mountCommand(name);
}

function mountCommand(controller: string): string {
  const place = join(CGROUP_ROOT, controller);
  return `mkdir -p ${place} && mount -t cgroup -o ${controller} cgroup ${place}`;
}
