import type { EscapeToken } from "./directive.ts";
import { type FactOptions, factsOf, type StageFacts } from "./facts.ts";
import type { Dockerfile } from "./instruction.ts";
import { parseRunMount, type RunMount } from "./mount.ts";
import type { SourceRange } from "./source.ts";
import { expandWord } from "./word.ts";

/** A stage that can be built. */
export interface Target {
  readonly name: string | undefined;
  /** Of the comment above its `FROM`: `# NAME what it is`. */
  readonly description: string | undefined;
  /** Built when no other is asked for. */
  readonly isDefault: boolean;
  /** As written. */
  readonly base: string;
  readonly platform: string | undefined;
  readonly at: SourceRange;
}

/** The stages of a file, in its order. */
export function targetsOf({ stages }: Dockerfile): Target[] {
  return stages.map(({ from, index }) => ({
    name: from.name,
    description: describedBy(from.comments, from.name),
    isDefault: index === stages.length - 1,
    base: from.image,
    platform: from.platform,
    at: from.at,
  }));
}

/** What a build of a target can be given. */
export interface Outline {
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly args: readonly (Named & {
    readonly value: string | undefined;
    readonly description: string | undefined;
  })[];
  readonly secrets: readonly (Named & { readonly isRequired: boolean })[];
  readonly ssh: readonly (Named & { readonly isRequired: boolean })[];
  readonly caches: readonly Named[];
}

interface Named {
  readonly name: string;
  /** Where it stands first. */
  readonly at: SourceRange;
}

export interface OutlineOptions extends Pick<FactOptions, "buildArgs" | "platformArgs"> {
  readonly target: number;
  /** All that it needs, itself among them. */
  readonly stages: ReadonlySet<number>;
}

/** Arguments, secrets, agents and caches of a target and the stages it needs, in the order of lines. */
export async function outlineOf(file: Dockerfile, options: OutlineOptions): Promise<Outline> {
  const { target, stages } = options;
  const { stages: all, globals } = await factsOf(file, options);
  const needed = all.filter(({ stage }) => stages.has(stage.index));
  const mounts = needed.flatMap(mountsOf);
  const ofType = (type: NamedMount["type"]): Located[] =>
    mounts.flatMap(({ mount, at }) => ("id" in mount && mount.type === type ? [{ mount, at }] : []));
  const from = file.stages[target]?.from;
  return {
    name: from?.name,
    description: describedBy(from?.comments ?? [], from?.name),
    args: argsOf(file, needed, globals),
    secrets: merged(ofType("secret")),
    ssh: merged(ofType("ssh")),
    caches: merged(ofType("cache")).map(({ name, at }) => ({ name, at })),
  };
}

/** Mounts of things that have names. */
type NamedMount = Extract<RunMount, { readonly id: string }>;

interface Located<Mount = NamedMount> {
  readonly mount: Mount;
  readonly at: SourceRange;
}

function mountsOf({ steps }: StageFacts): Located<RunMount>[] {
  return steps.flatMap(({ instruction, expand }) =>
    instruction.op === "run"
      ? instruction.mounts.map((text) => ({ mount: parseRunMount(text, expand), at: instruction.at }))
      : [],
  );
}

/** Each id once. */
function merged(mounts: readonly Located[]): (Named & { readonly isRequired: boolean })[] {
  const found = new Map<string, Named & { readonly isRequired: boolean }>();
  for (const { mount, at } of mounts) {
    const before = found.get(mount.id);
    const isRequired = before?.isRequired || ("required" in mount && mount.required);
    found.set(mount.id, { name: mount.id, at: before?.at ?? at, isRequired });
  }
  return [...found.values()];
}

function argsOf(
  file: Dockerfile,
  needed: readonly StageFacts[],
  globals: ReadonlyMap<string, string>,
): Outline["args"] {
  const found = new Map<string, Outline["args"][number]>();
  const wanted = new Set(needed.flatMap(({ image, platform }) => [...image.used, ...(platform?.used ?? [])]));
  for (const { instruction, declares } of needed.flatMap(({ steps }) => steps))
    for (const { name, value, isOwn } of declares)
      if (!isOwn) wanted.add(name);
      else if (!found.has(name) && instruction.op === "arg")
        found.set(name, {
          name,
          value,
          description: describedBy(instruction.comments, name),
          at: instruction.at,
        });
  // From the last to the first: a value may come of arguments before it.
  for (const instruction of file.globalArgs.toReversed())
    for (const { name, value } of instruction.args.toReversed()) {
      if (!wanted.has(name)) continue;
      for (const used of namesIn(value, file.directives.escape)) wanted.add(used);
      if (!found.has(name))
        found.set(name, {
          name,
          value: globals.get(name),
          description: describedBy(instruction.comments, name),
          at: instruction.at,
        });
    }
  return [...found.values()].sort((a, b) => a.at.start - b.at.start);
}

function namesIn(value: string | undefined, escapeToken: EscapeToken): Set<string> {
  const names = new Set<string>();
  const lookup = (name: string): string => {
    names.add(name);
    return "";
  };
  expandWord(value ?? "", { lookup, escapeToken });
  return names;
}

function describedBy(comments: readonly string[], name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const comment = comments.find((each) => each.startsWith(`${name} `));
  return comment?.slice(name.length + 1).trim();
}
