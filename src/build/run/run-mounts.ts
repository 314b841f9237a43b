import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { parseRunMount, type RunInstruction, type RunMount } from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";
import type { BuildStep, HostMount } from "../build.ts";
import type { StepInput } from "../cache/cache.ts";
import type { StageWork } from "../session.ts";
import type { MountContext, MountPlan, OpenMount, Places } from "./mount-plan.ts";
import { planBind } from "./run-bind.ts";
import { planCache } from "./run-cache.ts";
import { devicesOf } from "./run-devices.ts";
import { planAgent, planSecret } from "./run-secrets.ts";

/** What `RUN --mount` and `--device` ask for, nothing of it made yet: a step that is taken from the cache needs none. */
export interface RunMounts {
  /** What of the mounts the step's result depends on; the files of layers are read for it. Throws "not-found". */
  inputs(): Promise<StepInput[]>;
  /** The same by the names of the layers; undefined: nothing of layers is mounted. */
  readonly defined: readonly StepInput[] | undefined;
  /** Makes them; dispose the result when the command has ended. */
  open(): Promise<OpenMounts>;
}

export interface OpenMounts extends AsyncDisposable {
  readonly mounts: readonly HostMount[];
  /** Secrets that come as variables, and where the agent's socket is. */
  readonly env: readonly (readonly [string, string])[];
  /** `RUN --device`, by name. */
  readonly cdiDevices: readonly string[];
}

/** Where a heredoc with a `#!` line of its own lies while it runs. */
export const SCRIPT_PATH = "/dev/pipes/EOF";

/** Looks at the mounts and devices of a `RUN`. Throws "invalid" or "not-found" naming the mount. */
export async function planMounts(
  work: StageWork,
  { mounts: texts, devices }: RunInstruction,
  step: BuildStep,
  script: string | undefined,
): Promise<RunMounts> {
  const asked: { readonly type: RunMount["type"]; readonly plan: MountPlan }[] = [];
  for (const [n, text] of texts.entries()) {
    const mount = parseRunMount(text, work.variables.expand);
    asked.push({ type: mount.type, plan: await planOne(work, mount, step, n) });
  }
  const ofScript = script === undefined ? [] : [scriptAt(script)];
  const { expand } = work.variables;
  const allowed = work.session.options.run?.allowedDevices ?? [];
  const cdiDevices = await devicesOf(devices, { expand, allowed });
  const all = asked.map(({ plan }) => plan.inputs);
  const ofDevices = cdiDevices.map((name): StepInput => ["device", name]);
  const isOfLayers = all.some((inputs) => "read" in inputs);
  return {
    async inputs() {
      const read = await Promise.all(all.map((inputs) => ("read" in inputs ? inputs.read() : inputs)));
      return [...read.flat(), ...ofDevices];
    },
    defined: isOfLayers
      ? [...all.flatMap((inputs) => ("read" in inputs ? inputs.defined : inputs)), ...ofDevices]
      : undefined,
    open: () => {
      const inTurn = asked.toSorted((a, b) => TURNS[a.type] - TURNS[b.type]).map(({ plan }) => plan);
      return openAll(work, [...inTurn, ...ofScript], cdiDevices);
    },
  };
}

/** Of several at one place the last is seen: as written, but secrets over all else and agents over secrets, as BuildKit has it. */
const TURNS = { bind: 0, cache: 0, tmpfs: 0, secret: 1, ssh: 2 } as const satisfies Record<
  RunMount["type"],
  number
>;

async function openAll(
  { session }: StageWork,
  plans: readonly MountPlan[],
  cdiDevices: readonly string[],
): Promise<OpenMounts> {
  await using stack = new AsyncDisposableStack();
  const places: Places = {
    stack,
    caches: new Map(),
    fresh(kind) {
      const path = join(session.parts[kind], randomUUID());
      stack.defer(() => rm(path, { recursive: true, force: true }));
      return path;
    },
  };
  const opened: OpenMount[] = [];
  for (const plan of plans) opened.push(await plan.open(places));
  const held = stack.move();
  const atTarget = new Map(
    opened.flatMap(({ mount }) => (mount === undefined ? [] : [[mount.target, mount]])),
  );
  return {
    mounts: [...atTarget.values()],
    env: opened.flatMap(({ env = [] }) => env),
    cdiDevices,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function planOne(work: StageWork, mount: RunMount, step: BuildStep, n: number): Promise<MountPlan> {
  const target = posix.resolve("/", work.config.WorkingDir ?? "/", mount.target ?? "");
  if (mount.target !== undefined && target === "/")
    throw new PlyError("invalid", `invalid mount target ${JSON.stringify(mount.target)}`);
  const context: MountContext = { work, step, n, target };
  switch (mount.type) {
    case "tmpfs":
      return planTmpfs(mount, target);
    case "bind":
      return planBind(context, mount);
    case "cache":
      return planCache(context, mount);
    case "secret":
      return planSecret(context, mount);
    case "ssh":
      return planAgent(context, mount);
  }
}

function planTmpfs(mount: Extract<RunMount, { type: "tmpfs" }>, target: string): MountPlan {
  const { sizeBytes } = mount;
  return {
    inputs: [["mount", JSON.stringify(mount)]],
    open: () => ({
      mount: {
        kind: "tmpfs",
        source: "",
        target,
        readOnly: false,
        ...(sizeBytes === undefined ? {} : { sizeBytes }),
      },
    }),
  };
}

function scriptAt(script: string): MountPlan {
  return {
    inputs: [],
    open(places) {
      const source = places.fresh("spool");
      writeFileSync(source, script, { mode: 0o755, flag: "wx" });
      return { mount: { kind: "bind", source, target: SCRIPT_PATH, readOnly: true } };
    },
  };
}
