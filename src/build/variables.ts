import { expandText, expandWord, expandWords, type WordOptions } from "../dockerfile/index.ts";
import { formatPlatform, type Platform, type ProcessConfig } from "../oci/index.ts";
import type { StepInput } from "./cache/cache.ts";

/** Arguments that every RUN gets without `ARG`, and that leave no trace in history or cache. */
const PROXY_ARGS = new Set(
  ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"].flatMap((name) => [
    name,
    name.toUpperCase(),
  ]),
);

/** What `--build-arg` and the platforms say, and which of it was asked for. */
export interface BuildArgs {
  readonly given: ReadonlyMap<string, string>;
  /** `TARGETPLATFORM` and its like. */
  readonly platform: ReadonlyMap<string, string>;
  /** `ARG`s before the first `FROM`; undefined: declared without a value. */
  readonly global: Map<string, string | undefined>;
  readonly used: Set<string>;
}

/** Arguments that need a bare `ARG NAME` only; `stage` is what `--target` names. */
export function platformArgs(
  target: Platform,
  builder: Platform,
  stage: string | undefined,
): Map<string, string> {
  const args = new Map<string, string>();
  for (const [prefix, platform] of [
    ["TARGET", target],
    ["BUILD", builder],
  ] as const) {
    args.set(`${prefix}PLATFORM`, formatPlatform(platform));
    args.set(`${prefix}OS`, platform.os);
    args.set(`${prefix}OSVERSION`, platform["os.version"] ?? "");
    args.set(`${prefix}ARCH`, platform.architecture);
    args.set(`${prefix}VARIANT`, platform.variant ?? "");
  }
  args.set("TARGETSTAGE", stage || "default");
  return args;
}

/** The variables of one stage: of `ENV` and `ARG` of one name the later one counts. */
export interface Variables {
  /** Declares an argument; its value, when it has one. */
  declare(name: string, fallback: string | undefined): string | undefined;
  /** `ENV` was set. */
  assign(name: string, value: string): void;
  /** Arguments that have a value, in the order in which they were declared; where `ENV` came later, with its value. */
  args(): (readonly [string, string])[];
  /** Proxy settings that were given and not declared. */
  proxies(): (readonly [string, string])[];
  expand(word: string): string;
  /** Into a text in which quotes are text. */
  expandText(text: string): string;
  expandList(text: string): string[];
}

export interface VariablesOptions {
  readonly args: BuildArgs;
  readonly escapeToken: "\\" | "`";
  /** The stage's environment, as it is now. */
  readonly env: () => readonly string[];
  /** What the stage that this one begins with had declared. */
  readonly inherited: readonly (readonly [string, string])[];
}

export function createVariables({ args, escapeToken, env, inherited }: VariablesOptions): Variables {
  const declared = new Map(inherited);
  const fromEnv = (name: string): string | undefined =>
    env()
      .find((entry) => entry.startsWith(`${name}=`))
      ?.slice(name.length + 1);
  const options: WordOptions = { lookup: (name) => declared.get(name) ?? fromEnv(name), escapeToken };
  return {
    declare(name, fallback) {
      args.used.add(name);
      const value = args.given.get(name) ?? fallback ?? args.global.get(name) ?? args.platform.get(name);
      // Without a value of its own it is what ENV says.
      const effective = value ?? fromEnv(name);
      if (effective === undefined) return undefined;
      declared.delete(name);
      declared.set(name, effective);
      return value;
    },
    assign(name, value) {
      if (declared.has(name)) declared.set(name, value);
    },
    args: () => [...declared],
    proxies: () =>
      [...args.given].filter(([name]) => {
        if (!PROXY_ARGS.has(name)) return false;
        args.used.add(name);
        return !declared.has(name) && fromEnv(name) === undefined;
      }),
    expand: (word) => expandWord(word, options),
    expandText: (text) => expandText(text, options),
    expandList: (text) => expandWords(text, options),
  };
}

/** What `ENV` and `ARG` say here, as inputs of a step. */
export function variableInputs({
  config,
  variables,
}: {
  readonly config: ProcessConfig;
  readonly variables: Variables;
}): StepInput[] {
  return [
    ...(config.Env ?? []).map((entry): StepInput => [`ENV ${nameOfVariable(entry)}`, entry]),
    ...variables.args().map(([name, value]): StepInput => [`ARG ${name}`, value]),
  ];
}

/** The name in `NAME=value`. */
export function nameOfVariable(entry: string): string {
  const equals = entry.indexOf("=");
  return equals < 0 ? entry : entry.slice(0, equals);
}
