import { readFileSync, writeFileSync } from "node:fs";
import { PlyError } from "../../error.ts";
import { parseReference } from "../../oci/index.ts";
import { answeredError, type PlyBuildMessage, type PlyBuildRequest } from "../../wire/index.ts";
import { failureReport } from "../build/failure-report.ts";
import { walkContext } from "../build/local-context.ts";
import { type PreparedBuild, prepareBuild } from "../build/request.ts";
import { sendBuild } from "../build/send.ts";
import { type BuildView, createBuildView } from "../build/view.ts";
import { type CommandContext, command } from "../command.ts";
import { registryConfigHeaders } from "../credentials.ts";
import { ExitError, INTERRUPTED, UsageError } from "../failure.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";
import { lines, type Output } from "../output/index.ts";
import { formatSize } from "../output/size.ts";
import { parseMemorySize } from "./memory-size.ts";

const FLAGS = {
  "add-host": { kind: "list", value: "HOST:IP", help: "One more line for /etc/hosts in steps" },
  allow: { kind: "list", value: "RIGHT", help: "What steps may ask for: network.host, security.insecure" },
  "build-arg": {
    kind: "list",
    value: "NAME[=VALUE]",
    help: "Value of an ARG; without one, this shell's own",
  },
  "build-context": {
    kind: "list",
    value: "NAME=PATH|URL|IMAGE",
    help: "One more context, for --from=NAME",
    complete: "directory",
  },
  file: {
    kind: "string",
    short: "f",
    value: "FILE",
    help: "The Dockerfile (PATH/Dockerfile); -: standard input",
    complete: "file",
  },
  "force-rm": { kind: "bool", help: "Accepted for scripts: containers of steps are always removed" },
  iidfile: { kind: "string", value: "FILE", help: "Write the image's id there", complete: "file" },
  label: { kind: "list", value: "KEY=VALUE", help: "Label for the image" },
  "list-context": {
    kind: "bool",
    help: "List what the build would see and what which rule leaves out; build nothing",
  },
  load: { kind: "bool", help: "Accepted for scripts: the image is always here" },
  memory: { kind: "string", short: "m", value: "BYTES", help: "Memory limit of each step" },
  "metadata-file": {
    kind: "string",
    value: "FILE",
    help: "Write the image's id and names there, as JSON",
    complete: "file",
  },
  network: {
    kind: "string",
    value: "NETWORK",
    help: "Network of the steps: default, none, host",
    complete: "network",
  },
  "no-cache": { kind: "bool", help: "Run every step anew" },
  platform: { kind: "string", value: "OS/ARCH[/VARIANT]", help: "What to build for" },
  progress: {
    kind: "string",
    default: "auto",
    value: "MODE",
    choices: ["auto", "plain", "tty", "quiet", "rawjson"],
    help: "How to show it: auto, plain, tty, quiet, rawjson",
  },
  pull: { kind: "bool", help: "Ask the registries for newer base images" },
  quiet: { kind: "bool", short: "q", help: "Print the image's id alone" },
  rm: { kind: "bool", help: "Accepted for scripts: containers of steps are always removed" },
  secret: {
    kind: "list",
    value: "id=ID[,src=FILE|,env=NAME]",
    help: "Something for RUN --mount=type=secret that stays out of the image",
  },
  "shm-size": { kind: "string", value: "BYTES", help: "Size of /dev/shm in steps" },
  ssh: {
    kind: "list",
    value: "ID[=SOCKET]",
    help: "Agent for RUN --mount=type=ssh (default: SSH_AUTH_SOCK)",
  },
  tag: { kind: "list", short: "t", value: "NAME[:TAG]", help: "Name for the image", complete: "image" },
  target: { kind: "string", value: "STAGE", help: "Stage to build (the last)" },
  timestamp: { kind: "int", value: "SECONDS", help: "Time of everything in the image, since 1970" },
  ulimit: { kind: "list", value: "NAME=SOFT[:HARD]", help: "Limit of the steps' processes" },
} as const satisfies FlagSpecs;

type Flags = FlagValues<typeof FLAGS>;

export default command({
  args: { usage: "PATH|URL|-", min: 1, max: 1, complete: "directory" },
  flags: FLAGS,
  description:
    "Builds an image from a Dockerfile and the files in a directory, a repository or an archive. Steps whose inputs did not change are taken from the cache; stages nobody needs are not built.",
  examples: [
    ["ply build -t web .", "build ./Dockerfile"],
    ["ply build -t web --target test -f docker/web.Dockerfile .", "another file, up to the stage test"],
    ["ply build --list-context .", "what would be sent, and which rule leaves out what"],
  ],
  async run(context, flags, [source = ""]) {
    const paths = { source, file: flags.file, named: flags["build-context"] };
    const prepared = await prepareBuild(paths, context.stdio);
    if (flags["list-context"]) return listContext(prepared);
    using interruption = context.interruptible();
    const { signal } = interruption;
    const mode = flags.quiet ? "quiet" : flags.progress;
    const view = createBuildView({ stdio: context.stdio, mode });
    try {
      const messages = await sendBuild(context.engine, prepared, {
        request: requestOf(flags, context.env),
        headers: await registryHeaders(prepared, context),
        signal,
      });
      const built = await follow(messages, view);
      if ("error" in built) return report(built, view, prepared, context);
      writeResult(flags, built);
      return mode === "quiet" ? lines(built.id) : said(context, built);
    } catch (error) {
      view.close();
      if (signal.aborted)
        throw new ExitError(INTERRUPTED, "Build cancelled. Nothing of it is left but cached steps.");
      throw error;
    }
  },
});

type Built = Extract<PlyBuildMessage, { readonly type: "built" }>;
type Failed = Extract<PlyBuildMessage, { readonly type: "error" }>;

async function follow(messages: AsyncIterable<PlyBuildMessage>, view: BuildView): Promise<Built | Failed> {
  let last: Built | Failed | undefined;
  for await (const message of messages) {
    view.show(message);
    if (message.type === "built" || message.type === "error") last = message;
  }
  view.close();
  if (last === undefined)
    throw new PlyError("unavailable", "the engine closed the connection in the middle of the build");
  return last;
}

function report(
  failed: Failed,
  view: BuildView,
  { dockerfile }: PreparedBuild,
  { stdio }: CommandContext,
): Output {
  const text = failureReport({
    step: view.failed,
    output: view.failed === undefined ? "" : view.outputOf(view.failed),
    dockerfile: "text" in dockerfile ? dockerfile : undefined,
    line: failed.line,
    endLine: failed.endLine,
  });
  for (const line of text) stdio.err(`${line}\n`);
  return { kind: "lines", lines: [], errors: [answeredError(0, failed.error)] };
}

function said({ stdio }: CommandContext, { id, names }: Built): Output {
  for (const name of names) stdio.err(`Tagged ${name}\n`);
  return lines(id);
}

function writeResult(flags: Flags, { id, names }: Built): void {
  if (flags.iidfile !== undefined) writeFileSync(flags.iidfile, id);
  if (flags["metadata-file"] === undefined) return;
  const metadata = { "containerimage.config.digest": id, "image.name": names.join(",") };
  writeFileSync(flags["metadata-file"], `${JSON.stringify(metadata, null, 2)}\n`);
}

type Environment = Readonly<Record<string, string | undefined>>;

function requestOf(
  flags: Flags,
  env: Environment,
): Omit<PlyBuildRequest, "context" | "contexts" | "dockerfile"> {
  const buildArgs = Object.fromEntries([
    ...(env["SOURCE_DATE_EPOCH"] ? [["SOURCE_DATE_EPOCH", env["SOURCE_DATE_EPOCH"]]] : []),
    ...flags["build-arg"].flatMap((text) => {
      const [name, value] = keyValue(text);
      const given = value ?? env[name];
      return given === undefined ? [] : [[name, given]];
    }),
  ]);
  const fields: Partial<Record<keyof PlyBuildRequest, unknown>> = {
    buildArgs,
    names: flags.tag,
    labels: Object.fromEntries(flags.label.map(keyValue).map(([key, value = ""]) => [key, value])),
    target: flags.target,
    platform: flags.platform,
    noCache: flags["no-cache"],
    pull: flags.pull,
    network: flags.network,
    addHosts: flags["add-host"].length === 0 ? undefined : flags["add-host"],
    shmSize: flags["shm-size"] === undefined ? undefined : parseMemorySize(flags["shm-size"]),
    memory: flags.memory === undefined ? undefined : parseMemorySize(flags.memory),
    ulimits: flags.ulimit.map(ulimitOf),
    secrets: Object.fromEntries(flags.secret.map((text) => secretOf(text, env))),
    ssh: Object.fromEntries(flags.ssh.map((text) => agentOf(text, env))),
    timestamp: flags.timestamp,
    allow: flags.allow,
  };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Omit<PlyBuildRequest, "context" | "contexts" | "dockerfile">;
}

function keyValue(text: string): readonly [string, string | undefined] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}

function ulimitOf(text: string): NonNullable<PlyBuildRequest["ulimits"]>[number] {
  const match = /^(\w+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (match === null)
    throw new UsageError(
      `invalid argument ${JSON.stringify(text)} for "--ulimit" flag: invalid ulimit argument`,
    );
  const soft = Number(match[2]);
  return { name: match[1] ?? "", soft, hard: match[3] === undefined ? soft : Number(match[3]) };
}

/** `id=x[,src=FILE]`, `id=x,env=NAME`, `type=…`; without a source, the variable or file of that name. */
function secretOf(text: string, env: Environment): readonly [string, string] {
  const fields = new Map(text.split(",").map((field) => keyValue(field)));
  const id = fields.get("id");
  if (id === undefined || id === "")
    throw new UsageError(`invalid argument ${JSON.stringify(text)} for "--secret" flag: it has no id`);
  const file = fields.get("src") ?? fields.get("source");
  const variable = fields.get("env") ?? (file === undefined ? id : undefined);
  const fromEnv = variable === undefined ? undefined : env[variable];
  if (fromEnv !== undefined) return [id, Buffer.from(fromEnv).toString("base64")];
  try {
    return [id, readFileSync(file ?? id).toString("base64")];
  } catch (cause) {
    throw new PlyError(
      "not-found",
      `--secret ${id}: there is neither a file ${file ?? id} nor a variable ${variable ?? id}`,
      { cause },
    );
  }
}

function agentOf(text: string, env: Environment): readonly [string, string] {
  const [id, path] = keyValue(text);
  const socket = path ?? env["SSH_AUTH_SOCK"];
  if (socket === undefined || socket === "")
    throw new PlyError(
      "invalid",
      `--ssh ${id}: invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set`,
    );
  return [id, socket];
}

/** Credentials for the images that the Dockerfile begins with, as far as their names stand there. */
function registryHeaders(
  { dockerfile }: PreparedBuild,
  { env }: CommandContext,
): Promise<Readonly<Record<string, string>>> {
  const text = "text" in dockerfile ? dockerfile.text : "";
  const names = [...text.matchAll(/^\s*FROM\s+(?:--\S+\s+)*([^\s$]+)|--from=([^\s,$]+)/gim)].map(
    (match) => match[1] ?? match[2] ?? "",
  );
  const images = ["docker.io/library/x", ...names].filter((name) => {
    try {
      return name !== "scratch" && parseReference(name).path !== "";
    } catch {
      return false;
    }
  });
  return registryConfigHeaders(images, env);
}

function listContext({ main }: PreparedBuild): Output {
  if (!("directory" in main)) throw new UsageError("--list-context needs a directory");
  let [count, bytes] = [0, 0];
  const rows: string[] = [];
  for (const { path, kind, size, leftOutBy } of walkContext(main.directory, main.ignore)) {
    const name = kind === "directory" ? `${path}/` : path;
    if (leftOutBy !== undefined) rows.push(`${"-".padStart(10)}  ${name}  left out by ${leftOutBy}`);
    else {
      count += kind === "directory" ? 0 : 1;
      bytes += size;
      rows.push(`${(kind === "file" ? formatSize(size) : "").padStart(10)}  ${name}`);
    }
  }
  return lines(...rows, `${formatSize(bytes).padStart(10)}  in ${count} files`);
}
