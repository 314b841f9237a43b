import type { BuildRequestFields } from "../../build-request/index.ts";
import type { PlyBuildRequest } from "../../wire/index.ts";
import { labelsOf } from "../commands/labels.ts";
import { UsageError } from "../failure.ts";
import { cacheSources, cacheTargets } from "./cache-flags.ts";
import { compatArgs, compatFields } from "./compat-flags.ts";
import type { BuildFlags } from "./flags.ts";
import { platformsOf } from "./outputs.ts";
import { readSecret } from "./secret-flags.ts";
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
    labels: labelsOf(flags.label),
    target: flags.target,
    platforms: platforms.length === 0 ? undefined : platforms,
    noCache: flags["no-cache"],
    cacheFrom: cacheSources(flags["cache-from"]),
    cacheTo: cacheTargets(flags["cache-to"]),
    noCacheStages: flags["no-cache-filter"].flatMap((text) => text.split(",")),
    pull: PULL_POLICIES[flags.pull ?? "false"],
    ...compatFields(flags, env),
    explain: flags.explain,
    verify: flags.verify || undefined,
    network: flags.network,
    hostConfig: stepHostConfig(flags),
    secrets: Object.fromEntries(flags.secret.map((text) => readSecret(text, env))),
    timestamp: flags.timestamp,
    allow: flags.allow.map(right),
  };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as BuildRequestFields;
}

/** What buildx knows; `fs` is about files of this host, all of which are read as the user may. */
const RIGHT = /^(?:network\.host|security\.insecure|device(?:=.*)?|fs(?:\.read|\.write)?=.*)$/;

function right(text: string): string {
  if (RIGHT.test(text)) return text;
  throw new UsageError(`invalid argument ${JSON.stringify(text)} for "--allow" flag: unknown entitlement`);
}

function keyValue(text: string): readonly [string, string | undefined] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}
