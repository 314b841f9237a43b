import { shownPath } from "../../tar/index.ts";
import type { PlyBuildDifference, PlyBuildWhy } from "../../wire/index.ts";
import type { StepInput } from "./cache.ts";

/** One input of a step that is not what it was when the step was built before: told to clients as it is found. */
export type Difference = PlyBuildDifference;
/** Why a step was not taken from the cache. */
export type Why = PlyBuildWhy;

/** What a stage stands on: an image or a stage. */
export interface StageBase {
  readonly name: string;
  /** As people know it. */
  readonly id: string;
  /** What its layers are. */
  readonly chain: string;
}

/** What a layer was made of, as later builds compare it. */
export interface StepTrace {
  /** The instruction as written, and with its variables expanded. */
  readonly text: string;
  readonly said: string;
  readonly inputs: readonly StepInput[];
  /** `ENV` and `ARG` of a step whose inputs they are not, only by the words they were put into. */
  readonly variables: readonly StepInput[];
  /** Where what lies at or below a path comes from, as people call it. */
  readonly origins: readonly (readonly [target: string, source: string])[];
  /** The image or stage below, when the step depends on what lies below it. */
  readonly base: StageBase | null;
  /** The layers over that, and the steps they are of. */
  readonly below: readonly (readonly [step: string, diffId: string])[];
}

/** What is kept of a digest: enough to tell it from others. */
const DIGEST_DIGITS = 16;

/** The same with the beginnings of files' digests alone: half of its size. Compare only such with each other. */
export function compactTrace(trace: StepTrace): StepTrace {
  return {
    ...trace,
    inputs: trace.inputs.map((input) =>
      input[0].startsWith("/")
        ? [
            input[0],
            input[1].replace(/ ([0-9a-f]{64})(?= |$)/, (_, hex) => ` ${hex.slice(0, DIGEST_DIGITS)}`),
          ]
        : input,
    ),
  };
}

/** Begins the name of an input that stands for all files of a stage or image. */
export const LAYERS_OF = "the layers of ";

/** What differs, what a user would name first in front; both are compact. */
export function differencesOf(before: StepTrace, after: StepTrace): Difference[] {
  const found: Difference[] = [];
  const isRewritten = before.text !== after.text;
  if (isRewritten) found.push(changed("instruction", after.text, before.text, after.text));
  else if (after.base === null && before.said !== after.said) {
    const variables = namedDifferences(before.variables, after.variables);
    // An expanded word is what it was made of.
    found.push(
      ...(variables.length > 0 ? variables : [changed("instruction", after.text, before.said, after.said)]),
    );
  }
  const isInstructionNamed = found.length > 0;
  const base = baseDifference(before, after);
  if (base !== undefined) found.push(base);
  for (const difference of namedDifferences(before.inputs, after.inputs, [before, after])) {
    const isOfInstruction =
      difference.kind === "instruction" || difference.kind === "script" || difference.kind === "mount";
    // Other words bring other files: they are what has changed.
    if (isInstructionNamed && (isOfInstruction || difference.kind === "file")) continue;
    found.push(difference);
  }
  return found;
}

function changed(
  kind: Difference["kind"],
  name: string,
  before: string | undefined,
  after: string | undefined,
): Difference {
  return {
    kind,
    name,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
}

function baseDifference(before: StepTrace, after: StepTrace): Difference | undefined {
  if (after.base === null || before.base === null) return undefined;
  if (before.base.chain !== after.base.chain)
    return changed("base", after.base.name, before.base.id, after.base.id);
  const count = Math.max(before.below.length, after.below.length);
  for (let n = 0; n < count; n++) {
    const [old, now] = [before.below[n], after.below[n]];
    if (old?.[1] === now?.[1]) continue;
    return changed("step", now?.[0] ?? old?.[0] ?? "", old?.[1], now?.[1]);
  }
  return undefined;
}

type Traces = readonly [before: StepTrace, after: StepTrace];

function namedDifferences(
  before: readonly StepInput[],
  after: readonly StepInput[],
  traces?: Traces,
): Difference[] {
  const [olds, news] = [byName(before), byName(after)];
  const found: Difference[] = [];
  for (const [name, now] of news) {
    const old = olds.get(name);
    if (old !== now) found.push(...differenceOf(name, old, now, traces));
  }
  for (const [name, old] of olds)
    if (!news.has(name)) found.push(...differenceOf(name, old, undefined, traces));
  return found;
}

/** Several inputs may have one name: mounts. */
function byName(inputs: readonly StepInput[]): Map<string, string> {
  const named = new Map<string, string>();
  for (const [name, value] of inputs) {
    let unique = name;
    for (let n = 2; named.has(unique); n++) unique = `${name}\0${n}`;
    named.set(unique, value);
  }
  return named;
}

const KINDS: Readonly<Record<string, Difference["kind"]>> = {
  command: "instruction",
  script: "script",
  user: "user",
  "working directory": "directory",
  network: "network",
  security: "security",
  mount: "mount",
  times: "timestamp",
};

function differenceOf(
  unique: string,
  before: string | undefined,
  after: string | undefined,
  traces: Traces | undefined,
): Difference[] {
  const name = unique.replace(/\0\d+$/, "");
  if (name.startsWith("/") && traces !== undefined) return [fileDifference(name, before, after, traces)];
  const variable = /^(ENV|ARG) (.*)$/s.exec(name);
  if (variable !== null) {
    const [, what, key = ""] = variable;
    const shown = (value: string | undefined) =>
      what === "ENV" ? value?.slice(Math.min(value.length, key.length + 1)) : value;
    return [changed(what === "ENV" ? "environment" : "argument", key, shown(before), shown(after))];
  }
  if (name.startsWith(LAYERS_OF)) return [changed("base", name.slice(LAYERS_OF.length), before, after)];
  const kind = name.startsWith("setting ") ? "setting" : KINDS[name];
  // What is not named here is told otherwise: the layers below.
  return kind === undefined ? [] : [changed(kind, name.replace(/^setting /, ""), before, after)];
}

/** Between where something is mounted and its path in what it is of. */
const MOUNTED = ": ";

/** What a line of a layer's inputs says, in the order in which it says it. */
const FILE_FIELDS = ["type", "mode", "owner"] as const;

function fileDifference(
  target: string,
  before: string | undefined,
  after: string | undefined,
  [old, now]: Traces,
): Difference {
  const name = sourceOf(target, after === undefined ? old : now);
  if (before === undefined) return { kind: "file", name, change: "added" };
  if (after === undefined) return { kind: "file", name, change: "removed" };
  const [was, is] = [before.split(" "), after.split(" ")];
  for (const [n, change] of FILE_FIELDS.entries())
    if (was[n] !== is[n]) return { ...changed("file", name, was[n], is[n]), change };
  const rest = FILE_FIELDS.length;
  const change =
    is[0] === "symlink" ? "target" : is[0] === "file" && was[rest] !== is[rest] ? "content" : "attributes";
  if (change === "content") return { ...changed("file", name, was[rest], is[rest]), change };
  return { ...changed("file", name, was.slice(rest).join(" "), is.slice(rest).join(" ")), change };
}

/** The path that people know a file by: that of where it is copied or mounted from. */
function sourceOf(target: string, { origins, base }: StepTrace): string {
  if (base !== null) return target.slice(target.indexOf(MOUNTED) + MOUNTED.length) || ".";
  const path = target.slice(1);
  let best: readonly [target: string, source: string] | undefined;
  for (const origin of origins) {
    const [prefix] = origin;
    const isWithin = prefix === "" || path === prefix || path.startsWith(`${prefix}/`);
    if (isWithin && prefix.length >= (best?.[0].length ?? 0)) best = origin;
  }
  if (best === undefined) return shownPath(target);
  const below = path.slice(best[0].length).replace(/^\/+/, "");
  const source =
    best[1] === "" || best[1].endsWith(":")
      ? `${best[1]}${below}`
      : [best[1], below].filter(Boolean).join("/");
  return shownPath(source === "" ? "." : source);
}
