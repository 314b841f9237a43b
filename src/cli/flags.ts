import { parseBoolean } from "../boolean.ts";
import { UsageError } from "./failure.ts";

/** What shell completion offers for an argument or a flag's value. */
export type CompletionSource =
  | "image"
  | "container"
  | "running"
  | "volume"
  | "network"
  | "object"
  | "file"
  | "directory"
  | "none";

/**
 * Flags as Docker's users know them: `-it`, `-e A=b`, `-eA=b`, `--env=A=b`, `--rm=false`, `--` ends flags. No npm
 * parser reads all of these (none takes `--rm=false` and stops at IMAGE, with Docker's words for mistakes) and the
 * lightest costs as much at start-up as the whole of a small command.
 */
export interface FlagSpec {
  /** `list`: may be repeated. `int`: a whole number, negative ones too. */
  readonly kind: "bool" | "string" | "list" | "int";
  /** One letter. */
  readonly short?: string;
  readonly help: string;
  /** Name of the value in `--help`. */
  readonly value?: string;
  readonly default?: string | number;
  /** Of a string: what the flag means without a value, which then only `=` can give. */
  readonly bare?: string;
  readonly choices?: readonly string[];
  readonly complete?: CompletionSource;
}

/** By long name. */
export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

type ValueOf<S extends FlagSpec> = S["kind"] extends "bool"
  ? boolean
  : S["kind"] extends "list"
    ? readonly string[]
    : S["kind"] extends "int"
      ? S extends { readonly default: number }
        ? number
        : number | undefined
      : S extends { readonly choices: readonly (infer C)[] }
        ? S extends { readonly default: string }
          ? C
          : C | undefined
        : S extends { readonly default: string }
          ? string
          : string | undefined;

export type FlagValues<F extends FlagSpecs> = { readonly [K in keyof F]: ValueOf<F[K]> };

/** The words of a command line, sorted. */
export interface ParsedFlags {
  readonly values: Readonly<Record<string, unknown>>;
  readonly args: readonly string[];
  /** `-h` or `--help` was there. */
  readonly help: boolean;
}

/** Reads the words after the command's name; throws UsageError in Docker's words. */
export function parseFlags(
  specs: FlagSpecs,
  words: readonly string[],
  options: { readonly stopsAtArgument?: boolean } = {},
): ParsedFlags {
  const values = defaultsOf(specs);
  const shorts = new Map(
    Object.entries(specs).flatMap(([name, { short }]) => (short ? [[short, name]] : [])),
  );
  const args: string[] = [];
  let help = false;
  let at = 0;

  const set = (name: string, text: string): void => {
    const spec = specs[name];
    if (spec !== undefined) values[name] = readValue(name, spec, text, values[name]);
  };
  const following = (shown: string): string => {
    const next = words[++at];
    if (next === undefined) throw new UsageError(`flag needs an argument: ${shown}`);
    return next;
  };
  const readLong = (word: string): void => {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (name === "help" && spec === undefined) help = true;
    else if (spec === undefined) throw new UsageError(`unknown flag: --${name}`, 125, `--${name}`);
    else if (equals >= 0) set(name, word.slice(equals + 1));
    else set(name, spec.kind === "bool" ? "true" : (spec.bare ?? following(`--${name}`)));
  };
  const readShorts = (word: string): void => {
    for (let i = 1; i < word.length; i++) {
      const letter = word[i] ?? "";
      const name = shorts.get(letter);
      if (name === undefined) {
        if (letter !== "h")
          throw new UsageError(`unknown shorthand flag: '${letter}' in ${word}`, 125, `-${letter}`);
        help = true;
        continue;
      }
      const rest = word.slice(i + 1);
      if (specs[name]?.kind === "bool" && !rest.startsWith("=")) {
        set(name, "true");
        continue;
      }
      set(name, rest === "" ? following(`'${letter}' in ${word}`) : rest.replace(/^=/, ""));
      return;
    }
  };

  for (; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "--") {
      args.push(...words.slice(at + 1));
      break;
    }
    if (word.startsWith("--")) readLong(word);
    else if (word.startsWith("-") && word !== "-") readShorts(word);
    else {
      args.push(word);
      if (!options.stopsAtArgument) continue;
      args.push(...words.slice(at + 1));
      break;
    }
  }
  return { values, args, help };
}

function defaultsOf(specs: FlagSpecs): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs))
    values[name] = spec.kind === "bool" ? false : spec.kind === "list" ? [] : spec.default;
  return values;
}

function readValue(name: string, spec: FlagSpec, text: string, before: unknown): unknown {
  const wrong = (why: string): UsageError =>
    new UsageError(
      `invalid argument ${JSON.stringify(text)} for "${spec.short ? `-${spec.short}, ` : ""}--${name}" flag: ${why}`,
    );
  if (spec.kind === "bool") {
    const value = parseBoolean(text);
    if (value === undefined) throw wrong("neither true nor false");
    return value;
  }
  if (spec.kind === "int") {
    if (!/^[+-]?\d{1,15}$/.test(text)) throw wrong("not a whole number");
    return Number(text);
  }
  if (spec.choices !== undefined && !spec.choices.includes(text))
    throw wrong(`must be one of ${spec.choices.join(", ")}`);
  return spec.kind === "list" ? [...(Array.isArray(before) ? before : []), text] : text;
}
