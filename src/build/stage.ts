import { posix } from "node:path";
import { applySettings, type Instruction, parseTrigger, within } from "../dockerfile/index.ts";
import { PlyError, throwIfAborted } from "../error.ts";
import { type DiffId, formatPlatform, type HistoryEntry, type Platform } from "../oci/index.ts";
import { baseImage, platformOfStage, SCRATCH_CONFIG } from "./base.ts";
import { layerOfContext } from "./base-tree.ts";
import type { BuildStep } from "./build.ts";
import { keyOf } from "./cache/cache.ts";
import type { StageBase, Why } from "./cache/difference.ts";
import { byteString } from "./context/file-tree.ts";
import { ownerOfUser } from "./copy/copy-owner.ts";
import { copyStep } from "./copy/copy-step.ts";
import { createLayerPlan } from "./copy/layer-plan.ts";
import { hintingMissing } from "./copy/missing-source.ts";
import { planLayer } from "./copy/plan-step.ts";
import { warnOfPlatform } from "./foreign.ts";
import type { PlannedStage } from "./graph.ts";
import { withGivenEnv } from "./overrides.ts";
import type { CacheRecord } from "./remote-cache/records.ts";
import { runStep } from "./run/run-step.ts";
import type { Session, StageResult, StageWork, StepOutcome } from "./session.ts";
import { createStageRoot, stackOf } from "./stage-root.ts";
import { createVariables } from "./variables.ts";

interface Begin
  extends Pick<
    StageResult,
    "config" | "args" | "author" | "history" | "records" | "historyKey" | "platform" | "base"
  > {
  readonly diffIds: readonly DiffId[];
}

/** Builds one stage, instruction by instruction. */
export async function buildStage(whole: Session, planned: PlannedStage): Promise<StageResult> {
  const { stage } = planned;
  const session = isUncached(whole, stage)
    ? { ...whole, options: { ...whole.options, noCache: true } }
    : whole;
  const first = session.firstStep.get(stage.index) ?? 1;
  const name = stage.from.name ?? (session.graph.all.length > 1 ? `stage-${stage.index}` : undefined);
  let triggerCount = 0;
  const stepAt = (n: number, { text, at }: Pick<Instruction, "text" | "at">): BuildStep => ({
    number: first + n,
    total: session.total,
    stage: { index: stage.index, name },
    place: { number: n + 1, total: 1 + triggerCount + stage.instructions.length },
    text,
    at,
  });
  const fromStep = stepAt(0, stage.from);
  const began = performance.now();
  session.emit({ kind: "stage", index: stage.index, state: "begun" });
  session.emit({ kind: "step", step: fromStep, state: "running" });
  const begin = await reporting(session, fromStep, async () =>
    withGivenEnv(await beginStage(session, planned, fromStep), session.options),
  );
  await session.imports.ready;
  const trace = session.trace.stage(
    `${stage.from.name ?? stage.index} ${formatPlatform(begin.platform)}`,
    fromStep,
    tracedBase(session, planned, begin),
  );
  session.emit({
    kind: "step",
    step: fromStep,
    state: "done",
    ms: performance.now() - began,
    id: begin.base.imageId.slice("sha256:".length),
    ...whyOf(session, fromStep),
  });

  const work: StageWork = {
    session,
    planned,
    platform: begin.platform,
    base: begin.base,
    trace,
    config: begin.config,
    root: createStageRoot({
      store: session.parts.store,
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
  const triggers = (begin.config.OnBuild ?? []).flatMap((trigger) =>
    parseTrigger(trigger, begin.base.imageName),
  );
  if (triggers.length > 0) {
    triggerCount = triggers.length;
    const { OnBuild: _done, ...config } = work.config;
    work.config = config;
  }
  const steps: Done[] = [];
  let { historyKey, author } = begin;
  let hasOwnCmd = false;
  // After a step that was made anew, what follows is new too.
  let isFresh = session.options.noCache === true;
  for (const [n, instruction] of [...triggers, ...stage.instructions].entries()) {
    const step = stepAt(n + 1, instruction);
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
    trace.done(step, outcome, { isCached, noCache: session.options.noCache === true });
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

function isUncached(
  { options: { noCacheStages = [] } }: Session,
  { index, from }: PlannedStage["stage"],
): boolean {
  return noCacheStages.some((name) => name.toLowerCase() === from.name || name === String(index));
}

function whyOf({ trace }: Session, step: BuildStep): { readonly why?: Why } {
  const why = trace.whyOf(step);
  return why === undefined ? {} : { why };
}

/** What a stage stands on, as it is told in explanations. */
function tracedBase({ parts }: Session, { base, stage }: PlannedStage, begin: Begin): StageBase {
  const chain = stackOf(parts.store, begin.diffIds)?.chainId ?? "";
  if (base.kind !== "stage") return { name: begin.base.imageName, id: begin.base.imageId, chain };
  return { name: stage.from.image, id: chain, chain };
}

interface Done {
  readonly outcome: StepOutcome;
  readonly historyKey: string;
  readonly isFresh: boolean;
}

function isKnown({ cache, imports }: Session, historyKey: string): boolean {
  return cache.knows(historyKey) || imports.createdAt(historyKey) !== undefined;
}

async function recordOf(
  { outcome: { cacheKey, layer }, historyKey }: Done,
  { created = "" }: HistoryEntry,
): Promise<CacheRecord> {
  const record = { historyKey, createdAt: Date.parse(created) };
  if (cacheKey === undefined) return record;
  return { ...record, made: { key: cacheKey, diffId: (await layer)?.diffId ?? null } };
}

async function historyOf(
  session: Session,
  { outcome: { createdBy, layer }, historyKey, isFresh }: Done,
  author: string | undefined,
): Promise<HistoryEntry> {
  const { times } = session.options;
  const isEmpty = layer === undefined || (await layer) === undefined;
  const created =
    times === undefined
      ? session.cache.createdAt(historyKey, isFresh, session.imports.createdAt(historyKey))
      : ("all" in times ? times.all : times.atMost) * 1000;
  return {
    created: new Date(created).toISOString(),
    created_by: createdBy,
    ...(author === undefined ? {} : { author }),
    comment: "buildkit.dockerfile.v0",
    ...(isEmpty ? { empty_layer: true } : {}),
  };
}

async function beginStage(session: Session, planned: PlannedStage, step: BuildStep): Promise<Begin> {
  const { base, stage } = planned;
  const platform = within(step.at, () => platformOfStage(session, planned.platform));
  const nothing = {
    diffIds: [],
    config: SCRATCH_CONFIG,
    args: [],
    author: undefined,
    history: [],
    records: [],
    historyKey: keyOf("scratch", []),
    platform,
    base: { imageId: `sha256:${"0".repeat(64)}`, imageName: "scratch" },
  } as const;
  if (base.kind === "scratch") return { ...nothing, base: nothing.base as Begin["base"] };
  if (base.kind === "stage") return await session.stageOf(base.index);
  if (base.kind === "context") {
    const other = session.options.contexts?.get(base.name);
    if (other === undefined) throw new PlyError("internal", `there is no context ${base.name}`);
    if (!("image" in other)) {
      const begun = { ...nothing, ...(await layerOfContext(session, other, base.name)) };
      return { ...begun, base: { ...(nothing.base as Begin["base"]), imageName: base.name } };
    }
    return beginWithImage(session, other.image, planned, platform, step);
  }
  return within(stage.from.at, () => beginWithImage(session, base.name, planned, platform, step));
}

async function beginWithImage(
  session: Session,
  name: string,
  planned: PlannedStage,
  platform: Platform,
  step: BuildStep,
): Promise<Begin> {
  const { stage } = planned;
  const isChosen = planned.platform !== undefined || session.platform !== undefined;
  const record = await baseImage(session, name, isChosen ? platform : undefined, step);
  const image = await session.parts.images.configOf(record.id);
  if (!isChosen) warnOfPlatform(session, image, stage.from.at);
  return {
    diffIds: record.diffIds,
    config: image.config ?? {},
    args: [],
    author: image.author,
    history: image.history ?? [],
    records: [],
    historyKey: keyOf("image", [["id", record.id]]),
    platform: {
      os: image.os,
      architecture: image.architecture,
      ...(image.variant ? { variant: image.variant } : {}),
    },
    base: { imageId: record.id, imageName: name },
  };
}

/** Tells of a failed step, and says where it stands. */
async function reporting<Result>(
  session: Session,
  step: BuildStep,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const failure = error instanceof PlyError ? placed(error, step) : error;
    if (session.signal.aborted) {
      session.emit({ kind: "step", step, state: "cancelled" });
      throw failure;
    }
    const message = failure instanceof Error ? failure.message : String(failure);
    session.emit({ kind: "step", step, state: "failed", message, ...whyOf(session, step) });
    throw failure;
  }
}

function placed(error: PlyError, { at, text }: BuildStep): PlyError {
  if (error.details["line"] !== undefined) return error;
  return new PlyError(error.kind, error.message, {
    cause: error,
    details: { ...error.details, file: at.file, line: at.start, endLine: at.end, instruction: text },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
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
  const plan = createLayerPlan(await work.root.tree());
  const owner = await ownerOfUser(work.config.User ?? "", work.root.readText);
  plan.makeDirectory(plan.resolve(byteString(path)).path, { mode: 0o755, ...owner });
  return await planLayer(work, plan, { step, createdBy: `WORKDIR ${path}` });
}
