import { PlyError } from "../error.ts";
import type { ProcessConfig } from "../oci/index.ts";
import type { Command, Instruction } from "./instruction.ts";

const DEFAULT_SHELL = ["/bin/sh", "-c"];

/** What an instruction that changes nothing but settings comes to. */
export interface SettingsChange {
  readonly config: ProcessConfig;
  /** For the history, in the words of BuildKit. */
  readonly createdBy: string;
  readonly author?: string;
}

/** The variables that an instruction sees. */
export interface SettingsVariables {
  expand(word: string): string;
  expandList(text: string): string[];
  /** Declares an `ARG`; its value, when it has one. */
  declare(name: string, fallback: string | undefined): string | undefined;
  /** Told of each `ENV`. */
  assign(name: string, value: string): void;
}

export interface SettingsContext {
  readonly variables: SettingsVariables;
  /** `CMD` was set along with this already: an `ENTRYPOINT` leaves it then. */
  readonly hasOwnCmd: boolean;
}

type SettingsInstruction = Exclude<Instruction, { readonly op: "run" | "copy" | "add" | "workdir" }>;

/** Lays an instruction over settings. Throws "invalid". */
export function applySettings(
  config: ProcessConfig,
  instruction: SettingsInstruction,
  context: SettingsContext,
): SettingsChange {
  const { expand, expandList } = context.variables;
  switch (instruction.op) {
    case "arg": {
      const said = instruction.args.map(({ name, value }) => {
        const own = context.variables.declare(name, value === undefined ? undefined : expand(value));
        return own === undefined ? name : `${name}=${own}`;
      });
      return { config, createdBy: `ARG ${said.join(" ")}` };
    }
    case "env": {
      const pairs = instruction.pairs.map(([key, value]) => [expand(key), expand(value)] as const);
      const env = pairs.reduce((now, [key, value]) => withEnv(now, key, value), config.Env ?? []);
      for (const [key, value] of pairs) context.variables.assign(key, value);
      return {
        config: { ...config, Env: [...env] },
        createdBy: `ENV ${pairs.map((pair) => pair.join("=")).join(" ")}`,
      };
    }
    case "label": {
      const pairs = instruction.pairs.map(([key, value]) => [expand(key), expand(value)] as const);
      return {
        config: { ...config, Labels: { ...config.Labels, ...Object.fromEntries(pairs) } },
        createdBy: `LABEL ${pairs.map((pair) => pair.join("=")).join(" ")}`,
      };
    }
    case "maintainer":
      return { config, createdBy: `MAINTAINER ${instruction.value}`, author: instruction.value };
    case "user": {
      const user = expand(instruction.value);
      return { config: { ...config, User: user }, createdBy: `USER ${user}` };
    }
    case "stopsignal": {
      const signal = expand(instruction.value);
      if (!/^(\d+|(SIG)?[A-Z][A-Z0-9+-]*)$/i.test(signal))
        throw new PlyError("invalid", `invalid signal: ${signal}`);
      return { config: { ...config, StopSignal: signal }, createdBy: `STOPSIGNAL ${signal}` };
    }
    case "expose": {
      const ports = instruction.values.flatMap(expandList).flatMap(portsOf);
      const exposed = { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) };
      return { config: { ...config, ExposedPorts: exposed }, createdBy: `EXPOSE [${ports.join(" ")}]` };
    }
    case "volume": {
      const paths = instruction.values.map(expand);
      if (paths.some((path) => path === ""))
        throw new PlyError("invalid", "VOLUME specified can not be an empty string");
      const volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
      return { config: { ...config, Volumes: volumes }, createdBy: `VOLUME [${paths.join(" ")}]` };
    }
    case "cmd": {
      const args = commandArgs(instruction.command, config);
      return { config: { ...config, Cmd: args }, createdBy: `CMD ${quoted(args)}` };
    }
    case "entrypoint": {
      const args = commandArgs(instruction.command, config);
      const { Cmd: _cmd, ...withoutCmd } = config;
      return {
        config: { ...(context.hasOwnCmd ? config : withoutCmd), Entrypoint: args },
        createdBy: `ENTRYPOINT ${quoted(args)}`,
      };
    }
    case "shell":
      return {
        config: { ...config, Shell: instruction.shell },
        createdBy: `SHELL [${instruction.shell.join(" ")}]`,
      };
    case "healthcheck":
      return {
        config: { ...config, Healthcheck: instruction.check },
        createdBy: instruction.text.replace(/^\S+/, "HEALTHCHECK"),
      };
    case "onbuild":
      return {
        config: { ...config, OnBuild: [...(config.OnBuild ?? []), instruction.trigger] },
        createdBy: `ONBUILD ${instruction.trigger}`,
      };
  }
}

/** The words of a process: in shell form the shell's, and the line. */
export function commandArgs(command: Command, config: ProcessConfig): string[] {
  return command.form === "exec" ? [...command.args] : [...(config.Shell ?? DEFAULT_SHELL), command.line];
}

function quoted(args: readonly string[]): string {
  return `[${args.map((arg) => JSON.stringify(arg)).join(" ")}]`;
}

/** Puts `KEY=value` into an environment, in place of what was there. */
export function withEnv(env: readonly string[], key: string, value: string): string[] {
  const at = env.findIndex((entry) => entry === key || entry.startsWith(`${key}=`));
  const entry = `${key}=${value}`;
  return at < 0 ? [...env, entry] : env.with(at, entry);
}

/** `80`, `53/udp`, `8000-8010/tcp`, `127.0.0.1:80:80` as `port/protocol`. */
function portsOf(word: string): string[] {
  const match = /^(?:.*:)?(\d{1,5})(?:-(\d{1,5}))?(?:\/([A-Za-z]+))?$/.exec(word);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  const protocol = (match?.[3] ?? "tcp").toLowerCase();
  if (match === null || first > last || last > 65_535 || !["tcp", "udp", "sctp"].includes(protocol))
    throw new PlyError("invalid", `invalid containerPort: ${word}`, {
      hint: "a port is a number from 0 to 65535, or two of them as 8000-8010, then perhaps /tcp, /udp or /sctp",
    });
  return Array.from({ length: last - first + 1 }, (_, n) => `${first + n}/${protocol}`);
}
