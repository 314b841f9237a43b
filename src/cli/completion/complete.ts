import type {
  DockerContainerSummary,
  DockerImageSummary,
  DockerNetwork,
  DockerVolumeList,
} from "../../wire/index.ts";
import { CATALOGUE, findCommand, GROUPS, verbsOf } from "../catalogue.ts";
import type { EngineClient } from "../client/index.ts";
import type { Command } from "../command.ts";
import type { CompletionSource, FlagSpecs } from "../flags.ts";
import { GLOBAL_FLAGS } from "../help.ts";

/** What fits the word under the cursor. `files`: the shell adds names of files or directories. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly files: "none" | "file" | "directory";
}

export interface Candidate {
  readonly word: string;
  readonly about?: string;
}

const NOTHING: Completion = { candidates: [], files: "none" };

/**
 * Completes the last of the words that follow `ply`. `engineAt` gives the client for a host; an engine that does not
 * answer offers no names.
 */
export async function complete(
  words: readonly string[],
  engineAt: (host: string | undefined) => EngineClient,
): Promise<Completion> {
  const current = words.at(-1) ?? "";
  const { host, rest, pending } = skipGlobalFlags(words.slice(0, -1));
  if (pending) return NOTHING;
  const found = await completionFor(rest, current, () => engineAt(host));
  const equals = current.startsWith("--") ? current.indexOf("=") + 1 : 0;
  const prefix = current.slice(0, equals);
  return {
    files: found.files,
    candidates: found.candidates
      .map(({ word, ...about }) => ({ word: prefix + word, ...about }))
      .filter(({ word }) => word.startsWith(current)),
  };
}

/** The words from the command on, and what `-H` was. `pending`: the cursor is at the value of a global flag. */
function skipGlobalFlags(words: readonly string[]): {
  readonly host: string | undefined;
  readonly rest: readonly string[];
  readonly pending: boolean;
} {
  let host: string | undefined;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "-H" || word === "--host") {
      host = words[++at];
      if (host === undefined) return { host, rest: [], pending: true };
    } else if (word.startsWith("--host=")) host = word.slice("--host=".length);
    else if (!word.startsWith("-")) return { host, rest: words.slice(at), pending: false };
  }
  return { host, rest: [], pending: false };
}

async function completionFor(
  before: readonly string[],
  current: string,
  engine: () => EngineClient,
): Promise<Completion> {
  const [first] = before;
  if (first === "help") return completionFor(before.slice(1), current, engine);
  if (first === undefined)
    return words(current.startsWith("-") ? flagWords(GLOBAL_FLAGS) : firstWordCandidates());
  const found = findCommand(before);
  if (found !== undefined) {
    const { default: command } = await found.entry.load();
    return completeCommand(command, found.rest, current, engine);
  }
  if (before.length === 1 && Object.hasOwn(GROUPS, first))
    return words(verbsOf(first).map(({ verb, entry }) => ({ word: verb, about: entry.summary })));
  return NOTHING;
}

function firstWordCandidates(): Candidate[] {
  const commands = CATALOGUE.flatMap(({ names, summary }) =>
    names.filter((name) => !name.includes(" ")).map((word) => ({ word, about: summary })),
  );
  const groups = Object.entries(GROUPS).map(([word, about]) => ({ word, about }));
  return [...commands, ...groups, { word: "help", about: "Help about a command" }];
}

async function completeCommand(
  command: Command,
  before: readonly string[],
  current: string,
  engine: () => EngineClient,
): Promise<Completion> {
  const { flags, args } = command;
  const state = scan(flags, before, args.stopsFlags === true);
  if (state.flag !== undefined) return completeValue(flags, state.flag, engine);
  if (state.flagsEnded)
    return args.stopsFlags === true ? { candidates: [], files: "file" } : completeArgument();
  const equals = current.indexOf("=");
  if (current.startsWith("--") && equals > 0) return completeValue(flags, current.slice(2, equals), engine);
  if (current.startsWith("-")) return words(flagWords(flags));
  return completeArgument();

  function completeArgument(): Promise<Completion> {
    if (args.max !== undefined && state.count >= args.max) return Promise.resolve(NOTHING);
    const fixed = alternatives(args.usage);
    if (fixed.length > 0) return Promise.resolve(words(fixed));
    return completeSource(args.complete ?? "none", engine);
  }
}

/** The words of a usage like `host|none`; none of any other. */
function alternatives(usage: string): Candidate[] {
  return /^[a-z]+(\|[a-z]+)+$/.test(usage) ? usage.split("|").map((word) => ({ word })) : [];
}

/** Where the cursor stands: at the value of a flag, or how many arguments are before it. */
function scan(
  flags: FlagSpecs,
  before: readonly string[],
  stopsAtArgument: boolean,
): { readonly flag: string | undefined; readonly count: number; readonly flagsEnded: boolean } {
  let count = 0;
  for (let at = 0; at < before.length; at++) {
    const word = before[at] ?? "";
    if (word === "--") return { flag: undefined, count: count + before.length - at - 1, flagsEnded: true };
    const name = valueFlag(flags, word);
    if (name !== undefined && ++at >= before.length) return { flag: name, count, flagsEnded: false };
    if (word.startsWith("-") && word !== "-") continue;
    count++;
    if (stopsAtArgument) return { flag: undefined, count, flagsEnded: true };
  }
  return { flag: undefined, count, flagsEnded: false };
}

/** The flag whose value the next word is: `--env`, `-e`, `-ite`. */
function valueFlag(flags: FlagSpecs, word: string): string | undefined {
  if (word.startsWith("--")) {
    const name = word.slice(2);
    return Object.hasOwn(flags, name) && flags[name]?.kind !== "bool" ? name : undefined;
  }
  if (!word.startsWith("-")) return undefined;
  for (const [i, letter] of [...word].entries()) {
    const entry = Object.entries(flags).find(([, { short }]) => short === letter);
    if (i > 0 && entry !== undefined && entry[1].kind !== "bool")
      return i === word.length - 1 ? entry[0] : undefined;
  }
  return undefined;
}

async function completeValue(
  flags: FlagSpecs,
  name: string,
  engine: () => EngineClient,
): Promise<Completion> {
  const spec = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (spec?.choices !== undefined) return words(spec.choices.map((word) => ({ word })));
  const fixed = alternatives(spec?.value ?? "");
  if (fixed.length > 0) return words(fixed);
  return completeSource(spec?.complete ?? "none", engine);
}

async function completeSource(source: CompletionSource, engine: () => EngineClient): Promise<Completion> {
  switch (source) {
    case "none":
      return NOTHING;
    case "file":
    case "directory":
      return { candidates: [], files: source };
    case "image":
      return words(await imageNames(engine()));
    case "container":
      return words(await containerNames(engine(), { all: true }));
    case "running":
      return words(await containerNames(engine(), { all: false }));
    case "volume":
      return words(await volumeNames(engine()));
    case "network":
      return words(await networkNames(engine()));
    case "object":
      return words([...(await containerNames(engine(), { all: true })), ...(await imageNames(engine()))]);
  }
}

async function imageNames(engine: EngineClient): Promise<Candidate[]> {
  const images = await orNone(engine.json<DockerImageSummary[]>("GET", "/images/json"));
  return images.flatMap(({ RepoTags }) => (RepoTags ?? []).map((word) => ({ word })));
}

async function containerNames(
  engine: EngineClient,
  options: { readonly all: boolean },
): Promise<Candidate[]> {
  const containers = await orNone(
    engine.json<DockerContainerSummary[]>("GET", "/containers/json", { query: { all: options.all } }),
  );
  return containers.flatMap(({ Names, Status }) =>
    (Names ?? []).map((name) => ({ word: name.replace(/^\//, ""), about: Status })),
  );
}

async function volumeNames(engine: EngineClient): Promise<Candidate[]> {
  const lists = await orNone(engine.json<DockerVolumeList>("GET", "/volumes").then((list) => [list]));
  return lists.flatMap(({ Volumes }) => Volumes.map(({ Name }) => ({ word: Name })));
}

async function networkNames(engine: EngineClient): Promise<Candidate[]> {
  const networks = await orNone(engine.json<DockerNetwork[]>("GET", "/networks"));
  return networks.map(({ Name, Driver }) => ({ word: Name, about: Driver }));
}

/** Somebody pressing Tab wants no error message. */
async function orNone<T>(list: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await list;
  } catch {
    return [];
  }
}

function words(candidates: readonly Candidate[]): Completion {
  return { candidates, files: "none" };
}

function flagWords(flags: FlagSpecs): Candidate[] {
  return [
    ...Object.entries(flags).map(([name, { help }]) => ({ word: `--${name}`, about: help })),
    { word: "--help", about: "Show help" },
  ];
}

/** For the shells' scripts: what files to add on the first line, then a candidate per line with what it is about. */
export function formatCompletion({ candidates, files }: Completion): string {
  const line = ({ word, about }: Candidate): string =>
    about === undefined ? word : `${word}\t${about.replace(/[\t\n]/g, " ")}`;
  return `${[`:${files}`, ...candidates.map(line)].join("\n")}\n`;
}
