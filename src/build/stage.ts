import { posix } from "node:path";
import { applySettings, type Instruction, parseTrigger } from "../dockerfile/index.ts";
import { throwIfAborted } from "../error.ts";
import { formatPlatform } from "../oci/index.ts";
import { byteString } from "../tar/index.ts";
import { type Begin, beginStage, tracedBase } from "./begin-stage.ts";
import type { BuildStep } from "./build.ts";
import { keyOf } from "./cache/cache.ts";
import { defineStep, recall, wantsDefinition } from "./cache/recall.ts";
import { ownerOfUser } from "./copy/copy-owner.ts";
import { copyStep } from "./copy/copy-step.ts";
import { createLayerPlan } from "./copy/layer-plan.ts";
import { hintingMissing } from "./copy/missing-source.ts";
import { planLayer } from "./copy/plan-step.ts";
import type { PlannedStage } from "./graph.ts";
import { withGivenEnv } from "./overrides.ts";
import { runStep } from "./run/run-step.ts";
import type { Session, StageResult, StageWork, StepOutcome } from "./session.ts";
import { createStageRoot } from "./stage-root.ts";
import { type Done, historyOf, isKnown, recordOf } from "./step-history.ts";
import { writtenPlace } from "./step-place.ts";
import { reporting, whyOf } from "./step-report.ts";
import { createVariables } from "./variables.ts";

/** Builds one stage, instruction by instruction. */
export async function buildStage(whole: Session, planned: PlannedStage): Promise<StageResult> {
  const { stage } = planned;
  const session = isUncached(whole, stage)
    ? { ...whole, options: { ...whole.options, noCache: true } }
    : whole;
  const stepAt = stepsOf(session, planned);
  session.emit({ kind: "stage", index: stage.index, state: "begun" });
  const fromStep = stepAt(0, stage.from);
  const began = performance.now();
  session.emit({ kind: "step", step: fromStep, state: "running" });
  const begin = await reporting(session, fromStep, async () =>
    withGivenEnv(await beginStage(session, planned, fromStep), session.options),
  );
  await session.imports.ready;
  const work = startWork(session, planned, begin, fromStep);
  session.emit({
    kind: "step",
    step: fromStep,
    state: "done",
    ms: performance.now() - began,
    id: begin.base.imageId.slice("sha256:".length),
    ...whyOf(session, fromStep),
  });
  const triggers = takeTriggers(work);
  const steps: Done[] = [];
  let { historyKey, author } = begin;
  let hasOwnCmd = false;
  // After a step that was made anew, what follows is new too.
  let isFresh = session.options.noCache === true;
  for (const [n, instruction] of [...triggers, ...stage.instructions].entries()) {
    const step = stepAt(n + 1, instruction, triggers.length);
    throwIfAborted(session.signal);
    const start = performance.now();
    session.emit({ kind: "step", step, state: "running" });
    const outcome = await reporting(session, step, () => dispatch(work, instruction, step, hasOwnCmd));
    if (instruction.op === "cmd") hasOwnCmd = true;
    author = outcome.author ?? author;
    historyKey = keyOf("history", [
      ["before", historyKey],
      ["step", outcome.key],
    ]);
    if (outcome.layer !== undefined && !outcome.isCached) isFresh = true;
    const isCached = outcome.isCached || (!isFresh && isKnown(session, historyKey));
    steps.push({ outcome, historyKey, isFresh });
    work.trace.done(step, outcome, { isCached, noCache: session.options.noCache === true });
    session.emit({
      kind: "step",
      step,
      state: isCached ? "cached" : "done",
      ms: performance.now() - start,
      id: historyKey,
      ...whyOf(session, step),
    });
  }
  session.emit({ kind: "stage", index: stage.index, state: "done" });
  const diffIds = await work.root.diffIds();
  const history = [...begin.history];
  const records = [...begin.records];
  for (const step of steps) {
    const entry = await historyOf(session, step, author);
    history.push(entry);
    records.push(await recordOf(step, entry));
  }
  return {
    planned,
    diffIds,
    config: work.config,
    args: work.variables.args(),
    author,
    history,
    records,
    historyKey,
    platform: begin.platform,
    base: begin.base,
    baseDiffIds: begin.diffIds,
  };
}

/** Gives the stage's steps their numbers; 0 is its FROM. */
function stepsOf(session: Session, { stage }: PlannedStage) {
  const first = session.firstStep.get(stage.index) ?? 1;
  const name = stage.from.name ?? (session.graph.all.length > 1 ? `stage-${stage.index}` : undefined);
  return (n: number, { text, at }: Pick<Instruction, "text" | "at">, triggers = 0): BuildStep => {
    const place = { number: n + 1, total: 1 + triggers + stage.instructions.length };
    return {
      number: first + writtenPlace({ place, triggers }).number - 1,
      total: session.total,
      stage: { index: stage.index, name },
      place,
      triggers,
      text,
      at,
    };
  };
}

function startWork(session: Session, planned: PlannedStage, begin: Begin, fromStep: BuildStep): StageWork {
  const { from, index } = planned.stage;
  const work: StageWork = {
    session,
    planned,
    platform: begin.platform,
    base: begin.base,
    trace: session.trace.stage(
      `${from.name ?? index} ${formatPlatform(begin.platform)}`,
      fromStep,
      tracedBase(planned, begin),
    ),
    config: begin.config,
    root: createStageRoot({
      store: session.parts.store,
      supply: session.supply,
      base: begin.diffIds,
      readFile: session.sources.readFile,
    }),
    variables: createVariables({
      args: session.args,
      escapeToken: session.graph.escapeToken,
      env: () => work.config.Env ?? [],
      inherited: begin.args,
    }),
  };
  return work;
}

/** The base's ONBUILD instructions, which are for this stage alone. */
function takeTriggers(work: StageWork): Instruction[] {
  const { OnBuild, ...config } = work.config;
  const triggers = OnBuild ?? [];
  if (triggers.length > 0) work.config = config;
  return triggers.flatMap((trigger) => parseTrigger(trigger, work.base.imageName));
}

function isUncached(
  { options: { noCacheStages = [] } }: Session,
  { index, from }: PlannedStage["stage"],
): boolean {
  return noCacheStages.some((name) => name.toLowerCase() === from.name || name === String(index));
}

async function dispatch(
  work: StageWork,
  instruction: Instruction,
  step: BuildStep,
  hasOwnCmd: boolean,
): Promise<StepOutcome> {
  switch (instruction.op) {
    case "run":
      return await runStep(work, instruction, step);
    case "copy":
    case "add":
      return await hintingMissing(work, instruction, step, () => copyStep(work, instruction, step));
    case "workdir":
      return await workdirStep(work, instruction.value, step);
    default: {
      const change = applySettings(work.config, instruction, { variables: work.variables, hasOwnCmd });
      work.config = change.config;
      return {
        createdBy: change.createdBy,
        key: keyOf("settings", [["instruction", change.createdBy]]),
        isCached: false,
        ...(change.author === undefined ? {} : { author: change.author }),
      };
    }
  }
}

async function workdirStep(work: StageWork, value: string, step: BuildStep): Promise<StepOutcome> {
  const written = work.variables.expand(value);
  // An absolute path stays as it was written, as Docker has it.
  const path = written.startsWith("/") ? written : posix.join("/", work.config.WorkingDir ?? "", written);
  work.config = { ...work.config, WorkingDir: path };
  const createdBy = `WORKDIR ${path}`;
  const definition = wantsDefinition(work)
    ? defineStep(work, "workdir", () => [
        ["path", path],
        ["user", work.config.User ?? ""],
      ])
    : undefined;
  const known =
    definition === undefined || work.root.isHere
      ? undefined
      : await recall(work, step, { definition: await definition, createdBy });
  if (known !== undefined) return known;
  const plan = createLayerPlan(await work.root.tree());
  const owner = await ownerOfUser(work.config.User ?? "", work.root.readText);
  plan.makeDirectory(plan.resolve(byteString(path)).path, { mode: 0o755, ...owner });
  return await planLayer(work, plan, { step, createdBy, definition });
}
