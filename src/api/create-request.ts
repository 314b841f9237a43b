import type { CreateOptions, HostOptions, ProcessOptions } from "../container/index.ts";
import { PlyError } from "../error.ts";
import { NO_LIMITS } from "../runtime/index.ts";
import { type Fields, fieldsOf, flag, objects, stringMap, text, texts, words } from "./fields.ts";
import { unhonoured } from "./host-config-warnings.ts";
import { parseHostSettings, parseProcessSettings } from "./host-settings.ts";
import { loggingOf } from "./log-config.ts";
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
  const network = networkOf(text(hostConfig, "NetworkMode"), body["NetworkDisabled"] === true);
  const settings = parseHostSettings(hostConfig);
  const host: HostOptions = {
    networkMode: network.mode,
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
    warnings: [...network.warnings, ...unhonoured(hostConfig)],
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
    exposedPorts: Object.keys(fieldsOf(body, "ExposedPorts")),
    ...parseProcessSettings(body),
  };
}

function networkOf(mode: string, isDisabled: boolean): { mode: string; warnings: string[] } {
  if (isDisabled || mode === "none") return { mode: "none", warnings: [] };
  if (mode === "host") return { mode, warnings: [] };
  // With the host's network in its place a container would reach what nobody meant it to reach.
  if (mode === "" || mode === "default" || mode === "bridge")
    return {
      mode: "none",
      warnings: ["the bridge network comes with a later version; running with no network"],
    };
  if (mode.startsWith("container:"))
    throw new PlyError("unsupported", "joining another container's network comes with a later version", {
      hint: "use the host network or none",
    });
  throw new PlyError("not-found", `network ${mode} not found`, {
    hint: "networks of your own come with a later version; host and none are there",
    // A 404 of `create` means a missing image to Docker's client, which would pull it and try again.
    details: { httpStatus: 400 },
  });
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
