import { resolve } from "node:path";
import { isPlyError, messageOf } from "../../error.ts";
import type { DockerCreateRequest, DockerCreateResponse, DockerHostConfig } from "../../wire/index.ts";
import type { CommandContext } from "../command.ts";
import { ExitError, UsageError } from "../failure.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";
import { ATTACH_FLAG, type AttachPlan } from "./attach-flag.ts";
import { environmentOf, PROCESS_FLAGS, readText } from "./env-flags.ts";
import { HOST_FLAGS, hostFlagsConfig, hostFlagsHostConfig } from "./host-flags.ts";
import { labelsOf } from "./labels.ts";
import { LOG_FLAGS, logConfigOf } from "./log-flags.ts";
import { NETWORK_FLAGS, networkRequest } from "./network-flags.ts";
import { RARE_FLAGS, rareFlagsHostConfig } from "./rare-flags.ts";
import { RESOURCE_FLAGS, resourceRequest } from "./resource-flags.ts";

/** What `run` and `create` have in common. */
export const CONTAINER_FLAGS = {
  name: { kind: "string", value: "NAME", help: "Name of the container" },
  interactive: { kind: "bool", short: "i", help: "Keep standard input open" },
  tty: { kind: "bool", short: "t", help: "Give it a terminal" },
  ...ATTACH_FLAG,
  ...PROCESS_FLAGS,
  entrypoint: { kind: "string", value: "COMMAND", help: "Run this instead of the image's entry point" },
  volume: {
    kind: "list",
    short: "v",
    value: "SOURCE:TARGET[:ro]",
    complete: "directory",
    help: "Mount a directory or volume",
  },
  ...NETWORK_FLAGS,
  hostname: { kind: "string", short: "h", value: "NAME", help: "Host name inside" },
  label: { kind: "list", short: "l", value: "KEY[=VALUE]", help: "Label" },
  privileged: { kind: "bool", help: "All capabilities and devices: the container is as good as root here" },
  "cap-add": { kind: "list", value: "CAPABILITY", help: "Add a Linux capability" },
  "cap-drop": { kind: "list", value: "CAPABILITY", help: "Drop a Linux capability" },
  "security-opt": {
    kind: "list",
    value: "OPTION",
    help: "Security option: seccomp=, apparmor=, label=, no-new-privileges",
  },
  "read-only": { kind: "bool", help: "The root filesystem cannot be written" },
  rm: { kind: "bool", help: "Remove the container when it ends" },
  ...LOG_FLAGS,
  ...RESOURCE_FLAGS,
  "stop-signal": { kind: "string", value: "SIGNAL", help: "Signal that asks it to stop" },
  pull: {
    kind: "string",
    choices: ["always", "missing", "never"],
    default: "missing",
    help: "When to pull the image",
  },
  platform: { kind: "string", value: "OS/ARCH[/VARIANT]", help: "Platform of the image to pull" },
  quiet: { kind: "bool", short: "q", help: "Pull without a word" },
  ...HOST_FLAGS,
  ...RARE_FLAGS,
  cidfile: { kind: "string", value: "FILE", complete: "file", help: "Write the container's id to this file" },
} as const satisfies FlagSpecs;

export type ContainerFlags = FlagValues<typeof CONTAINER_FLAGS>;

/** Docker's create body for the flags. */
export function createRequest(
  flags: ContainerFlags,
  [image = "", ...command]: readonly string[],
  options: {
    readonly attach: AttachPlan;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly size: { readonly columns: number; readonly rows: number } | undefined;
  },
): DockerCreateRequest & { readonly HostConfig: object } {
  const { attach, size } = options;
  if (flags.rm && flags.restart !== undefined && flags.restart !== "no")
    throw new UsageError("conflicting options: cannot specify both --restart and --rm");
  const network = networkRequest(flags, options.env);
  return {
    Image: image,
    ...(command.length === 0 ? {} : { Cmd: command }),
    // An empty word means: none, not the image's either.
    ...(flags.entrypoint === undefined ? {} : { Entrypoint: [flags.entrypoint] }),
    Env: environmentOf(flags, options.env),
    WorkingDir: flags.workdir ?? "",
    User: flags.user ?? "",
    Hostname: flags.hostname ?? "",
    Labels: labelsOf([...flags["label-file"].flatMap(labelFile), ...flags.label]),
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    StdinOnce: attach.stdin,
    AttachStdin: attach.stdin,
    AttachStdout: attach.stdout,
    AttachStderr: attach.stderr,
    ...(flags["stop-signal"] === undefined ? {} : { StopSignal: flags["stop-signal"] }),
    ...hostFlagsConfig(flags),
    ...network.config,
    HostConfig: {
      Binds: flags.volume.map(absoluteSource),
      ...network.hostConfig,
      AutoRemove: flags.rm,
      ...logConfigOf(flags),
      ReadonlyRootfs: flags["read-only"],
      Privileged: flags.privileged,
      CapAdd: flags["cap-add"],
      CapDrop: flags["cap-drop"],
      ...resourceRequest(flags),
      ...securityOptions(flags["security-opt"]),
      ...hostFlagsHostConfig(flags),
      ...rareFlagsHostConfig(flags),
      ...(size === undefined || !flags.tty ? {} : { ConsoleSize: [size.rows, size.columns] }),
    },
  };
}

/** `./data:/x` is a directory here, where the user is and not the engine; `data:/x` is a volume. */
export function absoluteSource(bind: string): string {
  const [source = "", ...rest] = bind.split(":");
  return /^\.\.?(\/|$)/.test(source) && rest.length > 0 ? [resolve(source), ...rest].join(":") : bind;
}

/** A seccomp profile is read here: the engine may not see this user's files. */
export function securityOptions(given: readonly string[]): DockerHostConfig {
  const bare = (option: string) => /^systempaths[=:]unconfined$/.test(option);
  const SecurityOpt = given
    .filter((option) => !bare(option))
    .map((option) => {
      const profile = /^seccomp[=:](.+)$/.exec(option)?.[1];
      if (profile === undefined || profile === "unconfined" || profile === "builtin") return option;
      return `seccomp=${readText(profile, "security-opt")}`;
    });
  return { SecurityOpt, ...(given.some(bare) ? { MaskedPaths: [], ReadonlyPaths: [] } : {}) };
}

/** A label per line, as with `--label`. */
function labelFile(path: string): string[] {
  const lines = readText(path, "label-file").split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
}

/** Creates the container, pulling the image as `--pull` says; prints the engine's warnings. */
export async function createContainer(
  context: CommandContext,
  flags: ContainerFlags,
  json: DockerCreateRequest,
): Promise<string> {
  const query = { name: flags.name, platform: flags.platform };
  const created = await withImage(context, flags, json.Image, () =>
    context.engine.json<DockerCreateResponse>("POST", "/containers/create", { query, json }),
  );
  printWarnings(context, created.Warnings ?? []);
  return created.Id;
}

export function printWarnings({ stdio }: CommandContext, warnings: readonly string[]): void {
  for (const warning of warnings) stdio.err(`WARNING: ${warning}\n`);
}

/** Creates what needs the image, which is pulled as `--pull` says. */
export async function withImage<T>(
  context: CommandContext,
  flags: ContainerFlags,
  image: string,
  create: () => Promise<T>,
): Promise<T> {
  if (flags.pull === "always") await pull(context, flags, image, { isMissing: false });
  try {
    return await create();
  } catch (error) {
    if (
      !isPlyError(error, "not-found") ||
      !/no such image|does not match the specified platform/i.test(error.message) ||
      flags.pull !== "missing"
    )
      throw error;
    await pull(context, flags, image, { isMissing: true });
    return create();
  }
}

async function pull(
  context: CommandContext,
  flags: ContainerFlags,
  image: string,
  { isMissing }: { readonly isMissing: boolean },
): Promise<void> {
  // Most images are there: what a pull needs is a fifth of a command's start.
  const { pullImages, titleOf } = await import("./pulling.ts");
  if (isMissing && !flags.quiet) context.stdio.err(`Unable to find image '${titleOf(image)}' locally\n`);
  const [error] = await pullImages(context, {
    references: [image],
    platform: flags.platform,
    allTags: false,
    quiet: flags.quiet,
    stream: "stderr",
  });
  if (error !== undefined) throw error;
}

/** Opens the file for the id before anything is created: it must not be there yet. */
export async function reserveCidFile(path: string | undefined): Promise<(id: string) => void> {
  if (path === undefined) return () => {};
  const { openSync, writeSync, closeSync } = await import("node:fs");
  let fd: number;
  try {
    fd = openSync(path, "wx");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST")
      throw new ExitError(
        125,
        `Error: container ID file found, make sure the other container isn't running or delete ${path}`,
      );
    throw new ExitError(125, `Error: failed to create the container ID file: ${messageOf(error)}`);
  }
  return (id) => {
    writeSync(fd, id);
    closeSync(fd);
  };
}
