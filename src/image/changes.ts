import { posix } from "node:path";
import { parseDuration } from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";
import type { Healthcheck, ProcessConfig } from "../oci/index.ts";
import { expandWord, splitWords } from "./change-words.ts";

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };
type Settings = Writable<ProcessConfig>;

interface Change {
  readonly config: Settings;
  /** What follows the instruction's name, trimmed. */
  readonly text: string;
  /** Instruction names of all changes of this call: CMD beside ENTRYPOINT survives it. */
  readonly names: readonly string[];
}

const DEFAULT_SHELL = ["/bin/sh", "-c"];

const INSTRUCTIONS: Readonly<Record<string, (change: Change) => void>> = {
  CMD({ config, text }) {
    config.Cmd = commandOf(text, config);
  },
  ENTRYPOINT({ config, text, names }) {
    config.Entrypoint = commandOf(text, config);
    if (!names.includes("CMD")) delete config.Cmd;
  },
  ENV({ config, text }) {
    const env = [...(config.Env ?? [])];
    for (const [key, value] of pairsOf("ENV", text, config)) {
      const at = env.findIndex((entry) => entry.startsWith(`${key}=`) || entry === key);
      if (at < 0) env.push(`${key}=${value}`);
      else env[at] = `${key}=${value}`;
    }
    config.Env = env;
  },
  LABEL({ config, text }) {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairsOf("LABEL", text, config)) };
  },
  EXPOSE({ config, text }) {
    const ports = { ...config.ExposedPorts };
    for (const word of needWords("EXPOSE", expandedWords(text, config)))
      for (const port of portsOf(word)) ports[port] = {};
    config.ExposedPorts = ports;
  },
  VOLUME({ config, text }) {
    const volumes = { ...config.Volumes };
    for (const path of needWords("VOLUME", jsonStrings(text) ?? expandedWords(text, config))) {
      if (path === "") throw new PlyError("invalid", "VOLUME specified can not be an empty string");
      volumes[path] = {};
    }
    config.Volumes = volumes;
  },
  USER({ config, text }) {
    config.User = one("USER", expandedWords(text, config));
  },
  WORKDIR({ config, text }) {
    const path = expand(need("WORKDIR", text), config);
    config.WorkingDir = posix.resolve("/", config.WorkingDir ?? "/", path);
  },
  STOPSIGNAL({ config, text }) {
    const signal = one("STOPSIGNAL", expandedWords(text, config));
    if (!/^(\d+|(SIG)?[A-Z][A-Z0-9+-]*)$/i.test(signal))
      throw new PlyError("invalid", `invalid signal: ${signal}`);
    config.StopSignal = signal;
  },
  HEALTHCHECK({ config, text }) {
    config.Healthcheck = healthcheckOf(need("HEALTHCHECK", text));
  },
  ONBUILD({ config, text }) {
    const name = need("ONBUILD", text).split(/\s/, 1)[0]?.toUpperCase() ?? "";
    if (name === "ONBUILD")
      throw new PlyError("invalid", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (name === "FROM" || name === "MAINTAINER")
      throw new PlyError("invalid", `${name} isn't allowed as an ONBUILD trigger`);
    config.OnBuild = [...(config.OnBuild ?? []), text];
  },
};

/**
 * Lays Dockerfile instructions (`CMD ["x"]`, `ENV A=b`) over settings and returns new ones. Exec (JSON) and shell
 * forms, quotes, and variables from the settings' own environment are as in a Dockerfile.
 * Throws "invalid" naming the instruction.
 */
export function applyChanges(base: ProcessConfig, changes: readonly string[]): ProcessConfig {
  const config: Settings = { ...base };
  const parsed = changes
    .flatMap((change) => joinLines(change))
    .map((line) => {
      const name = line.split(/\s/, 1)[0] ?? "";
      return { name: name.toUpperCase(), text: line.slice(name.length).trim(), line };
    });
  const names = parsed.map(({ name }) => name);
  for (const { name, text, line } of parsed) {
    const apply = Object.hasOwn(INSTRUCTIONS, name) ? INSTRUCTIONS[name] : undefined;
    if (apply === undefined)
      throw new PlyError("invalid", `${name} is not a valid change command`, {
        hint: `these can be changed: ${Object.keys(INSTRUCTIONS).join(", ")}`,
      });
    try {
      apply({ config, text, names });
    } catch (error) {
      if (error instanceof PlyError)
        throw new PlyError(error.kind, `in change ${JSON.stringify(line)}: ${error.message}`, {
          cause: error,
        });
      throw error;
    }
  }
  return config;
}

/** A change may hold several lines; a backslash at the end of a line joins the next one; `#` lines are comments. */
function joinLines(change: string): string[] {
  return change
    .replace(/\\[ \t]*\r?\n/g, "")
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

function need(name: string, text: string): string {
  if (text === "") throw new PlyError("invalid", `${name} requires at least one argument`);
  return text;
}

function needWords(name: string, words: string[]): string[] {
  if (words.length === 0) throw new PlyError("invalid", `${name} requires at least one argument`);
  return words;
}

function one(name: string, words: readonly string[]): string {
  const [word] = words;
  if (words.length !== 1 || word === undefined)
    throw new PlyError("invalid", `${name} requires exactly one argument`);
  return word;
}

/** The strings of a JSON array; undefined when the text is no such array (then it is in shell form). */
function jsonStrings(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

function commandOf(text: string, config: ProcessConfig): string[] {
  const exec = jsonStrings(text);
  if (exec !== undefined) return exec;
  return text === "" ? [] : [...(config.Shell ?? DEFAULT_SHELL), text];
}

function expand(text: string, config: ProcessConfig): string {
  return expandWord(text, (name) => {
    const entry = config.Env?.find((item) => item.startsWith(`${name}=`));
    return entry?.slice(name.length + 1);
  });
}

function expandedWords(text: string, config: ProcessConfig): string[] {
  return splitWords(text)
    .flatMap((word) => {
      const expanded = expand(word, config);
      // A variable may hold several words, a quoted string is one.
      return /["']/.test(word) ? [expanded] : expanded.split(/\s+/);
    })
    .filter((word) => word !== "");
}

/** `a=b c="d e"`, or the old form `a everything that follows`. */
function pairsOf(name: string, text: string, config: ProcessConfig): [string, string][] {
  const words = splitWords(need(name, text));
  const [first] = words;
  if (first !== undefined && !first.includes("=")) {
    const rest = text.slice(first.length).trim();
    if (rest === "") throw new PlyError("invalid", `${name} must have two arguments`);
    return [[expand(first, config), expand(rest, config)]];
  }
  return words.map((word) => {
    const equals = word.indexOf("=");
    if (equals < 0)
      throw new PlyError(
        "invalid",
        `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      );
    const key = expand(word.slice(0, equals), config);
    if (key === "") throw new PlyError("invalid", `${name} names can not be blank`);
    return [key, expand(word.slice(equals + 1), config)];
  });
}

/** `80`, `53/udp`, `8000-8010/tcp` as `port/protocol`. */
function portsOf(word: string): string[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([A-Za-z]+))?$/.exec(word);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  const protocol = (match?.[3] ?? "tcp").toLowerCase();
  if (match === null || first > last || last > 65_535 || !["tcp", "udp", "sctp"].includes(protocol))
    throw new PlyError("invalid", `invalid containerPort: ${word}`);
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
}

const HEALTH_DURATIONS: Readonly<Record<string, "Interval" | "Timeout" | "StartPeriod" | "StartInterval">> = {
  interval: "Interval",
  timeout: "Timeout",
  "start-period": "StartPeriod",
  "start-interval": "StartInterval",
};

function healthcheckOf(text: string): Healthcheck {
  const check: Writable<Healthcheck> = {};
  let rest = text;
  for (;;) {
    const option = /^--([a-z-]+)=(\S*)\s*/.exec(rest);
    if (option === null) break;
    const [whole, name = "", value = ""] = option;
    rest = rest.slice(whole.length);
    const field = Object.hasOwn(HEALTH_DURATIONS, name) ? HEALTH_DURATIONS[name] : undefined;
    if (field !== undefined) check[field] = parseDuration(name, value);
    else if (name === "retries") {
      if (!/^\d+$/.test(value))
        throw new PlyError("invalid", `--retries must be a whole number, not ${JSON.stringify(value)}`);
      check.Retries = Number(value);
    } else throw new PlyError("invalid", `Unknown flag: ${name}`);
  }
  const type = rest.split(/\s/, 1)[0]?.toUpperCase() ?? "";
  const command = rest.slice(type.length).trim();
  if (type === "NONE") {
    if (command !== "") throw new PlyError("invalid", "HEALTHCHECK NONE takes no arguments");
    return { Test: ["NONE"] };
  }
  if (type !== "CMD")
    throw new PlyError("invalid", `Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  if (command === "") throw new PlyError("invalid", "Missing command after HEALTHCHECK CMD");
  const exec = jsonStrings(command);
  check.Test = exec === undefined ? ["CMD-SHELL", command] : ["CMD", ...exec];
  return check;
}
