import { readFileSync } from "node:fs";
import { PlyError } from "../../error.ts";
import type { PlyBuildRequest } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";
import { cacheSources, cacheTargets } from "./cache-flags.ts";
import { compatArgs, compatFields } from "./compat-flags.ts";
import type { BuildFlags } from "./flags.ts";
import { platformsOf } from "./outputs.ts";
import type { BuildRequestFields } from "./send.ts";
import { stepHostConfig } from "./step-flags.ts";

const PULL_POLICIES = {
  true: true,
  always: true,
  newer: true,
  false: undefined,
  missing: undefined,
  never: "never",
} as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** The request's fields that flags and this shell's variables say. Throws UsageError, and "not-found" for secrets. */
export function requestFields(flags: BuildFlags, env: Environment): BuildRequestFields {
  const buildArgs = Object.fromEntries([
    ...(env["SOURCE_DATE_EPOCH"] ? [["SOURCE_DATE_EPOCH", env["SOURCE_DATE_EPOCH"]]] : []),
    ...compatArgs(flags, env),
    ...flags["build-arg"].flatMap((text) => {
      const [name, value] = keyValue(text);
      const given = value ?? env[name];
      return given === undefined ? [] : [[name, given]];
    }),
  ]);
  const platforms = platformsOf(flags);
  const fields: Partial<Record<keyof PlyBuildRequest, unknown>> = {
    buildArgs,
    names: flags.tag,
    labels: Object.fromEntries(flags.label.map(keyValue).map(([key, value = ""]) => [key, value])),
    target: flags.target,
    platforms: platforms.length === 0 ? undefined : platforms,
    noCache: flags["no-cache"],
    cacheFrom: cacheSources(flags["cache-from"]),
    cacheTo: cacheTargets(flags["cache-to"]),
    noCacheStages: flags["no-cache-filter"].flatMap((text) => text.split(",")),
    pull: PULL_POLICIES[flags.pull ?? "false"],
    ...compatFields(flags, env),
    explain: flags.explain,
    network: flags.network,
    hostConfig: stepHostConfig(flags),
    secrets: Object.fromEntries(flags.secret.map((text) => secretOf(text, env))),
    ssh: Object.fromEntries(flags.ssh.map((text) => agentOf(text, env))),
    timestamp: flags.timestamp,
    allow: flags.allow,
  };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as BuildRequestFields;
}

function keyValue(text: string): readonly [string, string | undefined] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
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
