import type { CreateOptions, HostOptions, ProcessOptions } from "../container/index.ts";
import { PlyError } from "../error.ts";
import { NO_LIMITS } from "../runtime/index.ts";
import { type Fields, fieldsOf, flag, objects, stringMap, text, texts, words } from "./fields.ts";
import { unhonoured } from "./host-config-warnings.ts";
import { parseHostSettings, parseProcessSettings } from "./host-settings.ts";
import { loggingOf } from "./log-config.ts";
import { networkWarnings, parseNetworking } from "./network-request.ts";
import { parsePortRange } from "./port-map.ts";
import { resourcesOf, restartPolicyOf } from "./resource-request.ts";

export interface CreateRequest {
  readonly options: CreateOptions;
  /** What was asked for and will not be so, in words for the user. */
  readonly warnings: readonly string[];
}

/**
 * Docker's create body (`Config` with `HostConfig` inside) as the engine's options. Unknown fields are passed over;
 * a known field of the wrong type, and what cannot be left out safely, throw "invalid" or "unsupported".
 */
export function parseCreateRequest(body: Fields, name: string | null): CreateRequest {
  const hostConfig = fieldsOf(body, "HostConfig");
  const image = text(body, "Image");
  if (image === "") throw new PlyError("invalid", "no image given: config.Image cannot be empty");
  const resources = resourcesOf(hostConfig);
  const restart = restartPolicyOf(hostConfig);
  const settings = parseHostSettings(hostConfig);
  const host: HostOptions = {
    ...parseNetworking(body, hostConfig),
    binds: bindsOf(body, hostConfig),
    autoRemove: flag(hostConfig, "AutoRemove"),
    readOnlyRootfs: flag(hostConfig, "ReadonlyRootfs"),
    privileged: flag(hostConfig, "Privileged"),
    capAdd: texts(hostConfig, "CapAdd") ?? [],
    capDrop: texts(hostConfig, "CapDrop") ?? [],
    securityOpt: texts(hostConfig, "SecurityOpt") ?? [],
    ...consoleSizeOf(hostConfig["ConsoleSize"]),
    ...loggingOf(hostConfig),
    ...(Object.keys(resources).length === 0 ? {} : { resources: { ...NO_LIMITS, ...resources } }),
    ...(restart === undefined ? {} : { restart }),
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
  };
  return {
    options: {
      ...(name === null || name === "" ? {} : { name: name.replace(/^\//, "") }),
      image,
      process: processOf(body),
      host,
    },
    warnings: [...networkWarnings(host), ...unhonoured(hostConfig)],
  };
}

/** `[rows, columns]`; zeros say that the client has no terminal. */
function consoleSizeOf(given: unknown): Pick<HostOptions, "consoleSize"> {
  if (!Array.isArray(given)) return {};
  const [rows, columns] = given.map(Number);
  const isSize = (value: number | undefined): value is number =>
    Number.isInteger(value) && value !== undefined && value > 0 && value < 65_536;
  return isSize(rows) && isSize(columns) ? { consoleSize: { rows, columns } } : {};
}

function processOf(body: Fields): ProcessOptions {
  const entrypoint = words(body, "Entrypoint");
  const cmd = words(body, "Cmd");
  return {
    // `[""]` is how clients say "none, not the image's either". An entrypoint of one's own takes the image's
    // command out of play as well.
    entrypoint:
      entrypoint.length === 0 ? null : entrypoint.length === 1 && entrypoint[0] === "" ? [] : entrypoint,
    cmd: cmd.length === 0 && entrypoint.length === 0 ? null : cmd,
    env: texts(body, "Env") ?? [],
    workingDir: text(body, "WorkingDir"),
    user: text(body, "User"),
    hostname: text(body, "Hostname"),
    tty: flag(body, "Tty"),
    openStdin: flag(body, "OpenStdin"),
    stdinOnce: flag(body, "StdinOnce"),
    labels: stringMap(body, "Labels"),
    stopSignal: text(body, "StopSignal"),
    exposedPorts: exposedPortsOf(body),
    ...parseProcessSettings(body),
  };
}

/** Throws "invalid" in Docker's words for what is no port. */
function exposedPortsOf(body: Fields): string[] {
  const ports = Object.keys(fieldsOf(body, "ExposedPorts"));
  for (const port of ports) parsePortRange(port);
  return ports;
}

/** `Binds` as they are; `Volumes` in the same form where no other mount lies. */
function bindsOf(body: Fields, hostConfig: Fields): string[] {
  const binds = [...(texts(hostConfig, "Binds") ?? [])];
  const targets = new Set<unknown>([
    ...binds.map((bind) => bind.split(":")[bind.startsWith("/") && !bind.includes(":") ? 0 : 1]),
    ...objects(hostConfig, "Mounts").map((mount) => mount["Target"]),
    ...Object.keys(fieldsOf(hostConfig, "Tmpfs")),
  ]);
  for (const target of Object.keys(fieldsOf(body, "Volumes"))) if (!targets.has(target)) binds.push(target);
  return binds;
}
