import type { BuildOptions } from "../build/index.ts";
import {
  formatPlatform,
  normalizePlatform,
  type Platform,
  parsePlatform,
  parseReference,
  withDefaultTag,
} from "../oci/index.ts";
import type { PlyBuildRequest } from "../wire/index.ts";
import { cachesOf } from "./build-cache.ts";
import { outputOptions } from "./build-outputs.ts";
import { epochOf } from "./build-request.ts";
import { stepSettings, stepWarnings } from "./step-settings.ts";

/** What a request says, but for contexts and the Dockerfile, as the builder takes it. Throws "invalid". */
export function buildOptionsOf(
  request: Omit<PlyBuildRequest, "context" | "dockerfile">,
): Omit<BuildOptions, "dockerfile" | "context"> {
  const {
    buildArgs = {},
    secrets = {},
    ssh = {},
    allow = [],
    hostConfig = {},
    timestamp,
    platforms,
  } = request;
  return {
    buildArgs: new Map(Object.entries(buildArgs)),
    references: (request.names ?? []).map((name) => withDefaultTag(parseReference(name))),
    secrets: new Map(Object.entries(secrets).map(([id, value]) => [id, Buffer.from(value, "base64")])),
    ssh: new Map(Object.entries(ssh)),
    ...cachesOf(request),
    ...outputOptions(request),
    ...(request.target === undefined ? {} : { target: request.target }),
    ...overridesOf(request),
    ...(request.labels === undefined ? {} : { labels: request.labels }),
    ...(platforms === undefined ? {} : { platforms: platformsOf(platforms) }),
    ...(request.noCacheStages === undefined ? {} : { noCacheStages: request.noCacheStages }),
    ...(request.noCache === undefined ? {} : { noCache: request.noCache }),
    ...(request.explain === undefined ? {} : { explain: request.explain }),
    ...(request.verify === undefined ? {} : { verify: request.verify }),
    ...(request.project === undefined ? {} : { project: request.project }),
    ...(request.pull === undefined ? {} : { pull: request.pull }),
    ...(timestamp !== undefined
      ? { times: { all: timestamp } }
      : epochOf(new Map(Object.entries(buildArgs)))),
    run: {
      ...stepSettings({ ...hostConfig }),
      allowHostNetwork: allow.includes("network.host"),
      allowInsecure: allow.includes("security.insecure"),
      allowedDevices: allow.flatMap(deviceRight),
      ...(request.network === undefined ? {} : { network: request.network }),
    },
    warnings: stepWarnings({ ...hostConfig }),
  };
}

/** `device=NAME`, or `device` for any, as those that are allowed. */
function deviceRight(right: string): string[] {
  const match = /^device(?:=(.+))?$/.exec(right);
  return match === null ? [] : [match[1] ?? "*"];
}

/** What is passed on as it is. */
function overridesOf({
  firstBase,
  allStages,
  env,
  unsetEnv,
  unsetLabels,
  omitHistory,
}: Pick<PlyBuildRequest, "firstBase" | "allStages" | "env" | "unsetEnv" | "unsetLabels" | "omitHistory">) {
  const given = { firstBase, allStages, env, unsetEnv, unsetLabels, omitHistory };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Each once, however it is written. */
export function platformsOf(names: readonly string[]): Platform[] {
  const platforms = names.map((name) => normalizePlatform(parsePlatform(name)));
  return [...new Map(platforms.map((platform) => [formatPlatform(platform), platform])).values()];
}
