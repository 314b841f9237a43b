import {
  commandArgs,
  heredocText,
  parseHeredoc,
  type RunInstruction,
  withEnv,
  within,
} from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";
import { diffUpper } from "../../layer/index.ts";
import type { LayerRecord } from "../../store/index.ts";
import type { BuildStep, RunSettings } from "../build.ts";
import { keyOf, type StepInput } from "../cache/cache.ts";
import { inputsOver } from "../cache/definition.ts";
import { defineStep, recall } from "../cache/recall.ts";
import { keep, reuse } from "../cache/reuse.ts";
import type { MadeOf } from "../cache/trace.ts";
import { withTimes } from "../copy/tar-times.ts";
import { checkRunnable } from "../foreign.ts";
import type { StageWork, StepOutcome } from "../session.ts";
import { DEFAULT_PATH } from "../settings.ts";
import { stackOf } from "../stage-root.ts";
import { layerKey } from "../step-history.ts";
import { nameOfVariable, variableInputs } from "../variables.ts";
import { exitHint, hintingProgram } from "./exit-hint.ts";
import { planMounts, type RunMounts, SCRIPT_PATH } from "./run-mounts.ts";

/** The same one each time, as with BuildKit: what a command makes should not depend on where it ran. */
const HOSTNAME = "buildkitsandbox";

/** `RUN`: a command over the layers so far; what it wrote is the next one. */
export async function runStep(
  work: StageWork,
  instruction: RunInstruction,
  step: BuildStep,
): Promise<StepOutcome> {
  const { session, root, config, variables } = work;
  const { args, script } = commandOf(instruction, work);
  const mounts = await within(instruction.at, () => planMounts(work, instruction, step, script));
  const diffIds = await root.diffIds();
  const declared = variables.args();
  const inputsWith = (mounted: readonly StepInput[]): StepInput[] => [
    ["command", JSON.stringify(args)],
    ...(script === undefined ? [] : [["script", script] as const]),
    ["user", config.User ?? ""],
    ["working directory", config.WorkingDir ?? "/"],
    ...variableInputs(work),
    ["network", networkOf(work, instruction)],
    ["security", securityOf(work, instruction)],
    ...settingInputs(session.options.run),
    ["hostname", hostnameOf(work) ?? ""],
    ...mounted,
  ];
  const said =
    declared.length === 0 ? "" : `|${declared.length} ${declared.map((pair) => pair.join("=")).join(" ")} `;
  const createdBy = `RUN ${said}${args.join(" ")} # buildkit`;
  const below = await layersBelow(work);
  const { defined } = mounts;
  const definition = defined === undefined ? undefined : defineStep(work, "run", () => inputsWith(defined));
  const known = definition && (await recall(work, step, { definition: await definition, createdBy, below }));
  if (known !== undefined) return known;
  const own = inputsWith(await within(instruction.at, () => mounts.inputs()));
  const inputs = inputsOver(diffIds, own, session.options);
  const key = keyOf("run", inputs);
  if (definition !== undefined) session.cache.define((await definition).key, key);
  const made: MadeOf = { key, said: createdBy, inputs, variables: [], origins: [], below, definition };
  const outcome = {
    createdBy,
    key: layerKey(key, createdBy),
    cacheKey: key,
    ...(definition === undefined ? {} : { definition }),
  };
  const reused = await reuse(work, step, made);
  if (reused !== undefined) {
    const { layer } = reused;
    root.addLayer(layer);
    return { ...outcome, layer: Promise.resolve(layer), isCached: true };
  }
  const layer = await execute(work, instruction, { step, args, diffIds, mounts, declared });
  keep(work, step, made, layer);
  root.addLayer(layer);
  return { ...outcome, layer: Promise.resolve(layer), isCached: false };
}

function hostnameOf({ session }: StageWork): string | undefined {
  return session.options.buildArgs?.get("BUILDKIT_SANDBOX_HOSTNAME") || undefined;
}

/** What of the settings of all steps a command may see; limits change how long it takes, not what it makes. */
function settingInputs(run: RunSettings = {}): StepInput[] {
  const {
    network: _network,
    resources: _resources,
    cgroupParent: _parent,
    binds: _binds,
    allowInsecure: _insecure,
    allowHostNetwork: _host,
    allowedDevices: _devices,
    ...seen
  } = run;
  return Object.entries(seen)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [`setting ${name}`, JSON.stringify(value)]);
}

/** The layers of this stage so far, with the instructions they are of. */
async function layersBelow({ root, trace }: StageWork): Promise<NonNullable<MadeOf["below"]>> {
  const added = await root.added();
  return added.flatMap((layer, n) => (layer === undefined ? [] : [[trace.layers[n] ?? "", layer.diffId]]));
}

interface Execution {
  readonly step: BuildStep;
  readonly args: readonly string[];
  readonly diffIds: readonly LayerRecord["diffId"][];
  readonly mounts: RunMounts;
  readonly declared: readonly (readonly [string, string])[];
}

async function execute(
  work: StageWork,
  instruction: RunInstruction,
  { step, args, diffIds, mounts, declared }: Execution,
): Promise<LayerRecord | undefined> {
  const { session, config, root } = work;
  await session.supply.bring(diffIds);
  await checkRunnable(work, args, diffIds);
  const { store } = session.parts;
  const base = await root.tree();
  if (diffIds.length > 0) store.leases.addChain(session.lease, diffIds);
  await using opened = await within(instruction.at, mounts.open);
  let containerId = "";
  const { Healthcheck: _check, Volumes: _volumes, Entrypoint: _entry, Cmd: _cmd, ...kept } = config;
  const running = session.parts.run({
    stack: stackOf(store, diffIds),
    base: work.base,
    config: { ...kept, Env: environmentOf(work, declared) },
    secretEnv: opened.env.map((pair) => pair.join("=")),
    args,
    hostname: hostnameOf(work) ?? HOSTNAME,
    network: networkOf(work, instruction),
    isPrivileged: instruction.security === "insecure",
    mounts: opened.mounts,
    cdiDevices: opened.cdiDevices,
    settings: session.options.run ?? {},
    signal: session.signal,
    onStart: (id) => {
      containerId = id;
      session.emit({ kind: "container", step, id, state: "running" });
    },
    onOutput: (stream, bytes) => session.emit({ kind: "output", step, stream, bytes }),
  });
  await using done = await running.catch((error: unknown) => {
    throw hintingProgram(error, args[0] ?? "", base);
  });
  if (done.exitCode !== 0) throw failed(args, done, config.Env ?? []);
  const { times } = session.options;
  const record = await store.layers.ingest(
    {
      resumable: false,
      open: async (_offset, signal) => {
        const tar = diffUpper(done.upper, { base, signal });
        return times === undefined ? tar : withTimes(tar, times);
      },
    },
    session.lease,
    { signal: session.signal },
  );
  session.emit({ kind: "container", step, id: containerId, state: "removed" });
  return record.entryCount === 0 ? undefined : record;
}

/** Docker's words: clients look for them. */
function failed(
  args: readonly string[],
  { exitCode, isOutOfMemory }: { readonly exitCode: number; readonly isOutOfMemory: boolean },
  env: readonly string[],
): PlyError {
  const path = env.find((entry) => entry.startsWith("PATH=")) ?? `PATH=${DEFAULT_PATH}`;
  const hint = exitHint(exitCode, { args, path, isOutOfMemory });
  const command = args.join(" ").replaceAll("\n", "\\n");
  return new PlyError("invalid", `The command '${command}' returned a non-zero code: ${exitCode}`, {
    details: { exitCode },
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The words of the process. A heredoc that is the whole command is a script; within one it is the shell's. */
function commandOf(
  { command, heredocs }: RunInstruction,
  { config }: StageWork,
): { readonly args: string[]; readonly script?: string } {
  const [first] = heredocs;
  if (first === undefined || command.form === "exec") return { args: commandArgs(command, config) };
  if (parseHeredoc(command.line) !== undefined) {
    const text = heredocText(first);
    if (text.startsWith("#!")) return { args: [SCRIPT_PATH], script: text };
    return { args: commandArgs({ form: "shell", line: text }, config) };
  }
  const bodies = heredocs.map(({ content, name }) => `\n${content}${name}`);
  return { args: commandArgs({ form: "shell", line: command.line + bodies.join("") }, config) };
}

function environmentOf(
  { config, variables, session }: StageWork,
  declared: readonly (readonly [string, string])[],
): string[] {
  let env: readonly string[] = config.Env ?? [];
  for (const [name, value] of [...variables.proxies(), ...declared]) env = withEnv(env, name, value);
  const epoch = session.options.buildArgs?.get("SOURCE_DATE_EPOCH");
  if (epoch !== undefined) env = withEnv(env, "SOURCE_DATE_EPOCH", epoch);
  return env.some((entry) => nameOfVariable(entry) === "PATH")
    ? [...env]
    : withEnv(env, "PATH", DEFAULT_PATH);
}

function securityOf({ session }: StageWork, { security }: RunInstruction): string {
  if (security === "insecure" && !session.options.run?.allowInsecure)
    throw new PlyError("denied", "RUN --security=insecure is not allowed", {
      hint: "build with --allow security.insecure",
    });
  return security;
}

function networkOf({ session }: StageWork, { network }: RunInstruction): string {
  const whole = session.options.run?.network ?? "default";
  if (network === "default") return whole;
  if (network === "host" && whole !== "host" && !session.options.run?.allowHostNetwork)
    throw new PlyError("denied", "RUN --network=host is not allowed", {
      hint: "build with --allow network.host",
    });
  return network;
}
