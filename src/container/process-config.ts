import { PlyError } from "../error.ts";
import type { ProcessConfig } from "../oci/index.ts";
import type { ProcessOptions } from "./containers.ts";
import { mergeHealthcheck } from "./healthcheck.ts";

/** Nothing said: all is the image's. */
export const NO_PROCESS_OPTIONS: ProcessOptions = {
  entrypoint: null,
  cmd: null,
  env: [],
  workingDir: "",
  user: "",
  hostname: "",
  tty: false,
  openStdin: false,
  stdinOnce: false,
  labels: {},
  stopSignal: "",
  exposedPorts: [],
};

/** The image's settings with the user's over them, by Docker's rules. Throws "invalid" when there is nothing to run. */
export function mergeProcess(image: ProcessConfig, given: ProcessOptions): ProcessConfig {
  const entrypoint = given.entrypoint ?? image.Entrypoint ?? [];
  // An entrypoint of one's own takes the image's command away with the image's entrypoint.
  const cmd = given.cmd ?? (given.entrypoint === null ? (image.Cmd ?? []) : []);
  if (entrypoint.length + cmd.length === 0)
    throw new PlyError("invalid", "no command specified", { hint: "give a command after the image's name" });
  const exposed = Object.fromEntries(given.exposedPorts.map((port) => [port, {}]));
  return {
    ...image,
    User: given.user || (image.User ?? ""),
    Env: mergeEnv(image.Env ?? [], given.env),
    Entrypoint: entrypoint.length === 0 ? null : entrypoint,
    Cmd: cmd.length === 0 ? null : cmd,
    WorkingDir: given.workingDir || (image.WorkingDir ?? ""),
    Labels: { ...image.Labels, ...given.labels },
    ...(given.stopSignal === "" ? {} : { StopSignal: given.stopSignal }),
    ...(given.stopTimeout === undefined ? {} : { StopTimeout: given.stopTimeout }),
    ...mergeHealthcheck(image.Healthcheck, given.healthcheck),
    ...(given.exposedPorts.length === 0 ? {} : { ExposedPorts: { ...image.ExposedPorts, ...exposed } }),
  };
}

/** The command line: entrypoint, then command. */
export function commandLine({ Entrypoint, Cmd }: ProcessConfig): string[] {
  return [...(Entrypoint ?? []), ...(Cmd ?? [])];
}

/** `KEY=value` replaces in place, a bare `KEY` takes the variable away. */
export function mergeEnv(base: readonly string[], over: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const entry of [...base, ...over]) {
    const key = keyOf(entry);
    if (entry.includes("=")) merged.set(key, entry);
    else merged.delete(key);
  }
  return [...merged.values()];
}

/** What the process gets: Docker's own variables first, then of its links, then the container's. */
export function processEnv(
  config: ProcessConfig,
  own: {
    readonly hostname: string;
    readonly home: string;
    readonly terminal: boolean;
    readonly linked: readonly string[];
  },
): string[] {
  const defaults = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    `HOSTNAME=${own.hostname}`,
    ...(own.terminal ? ["TERM=xterm"] : []),
    ...own.linked,
  ];
  const env = mergeEnv(defaults, config.Env ?? []);
  return env.some((entry) => keyOf(entry) === "HOME") ? env : [...env, `HOME=${own.home}`];
}

function keyOf(entry: string): string {
  const equals = entry.indexOf("=");
  return equals < 0 ? entry : entry.slice(0, equals);
}
