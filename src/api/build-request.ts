import type { BuildOptions, RunSettings } from "../build/index.ts";
import { PlyError } from "../error.ts";
import { asObject, asStrings, isObject, parseReference, withDefaultTag } from "../oci/index.ts";
import { credentialsByHost } from "./credentials.ts";
import type { Exchange } from "./exchange.ts";
import { queryBoolean, queryInteger, queryPlatform } from "./query.ts";

/** What `POST /build` asks for, but for the context. */
export type BuildRequest = Omit<BuildOptions, "context" | "dockerfile" | "onEvent" | "signal"> & {
  /** Path within the context; "" for the usual one. */
  readonly dockerfileName: string;
  /** Address of the context; "" when it is the body. */
  readonly remote: string;
  readonly isQuiet: boolean;
  readonly squash: boolean;
};

/** Reads the query of `POST /build`. Throws "invalid" naming the parameter. */
export function parseBuildRequest({ query, headers }: Pick<Exchange, "query" | "headers">): BuildRequest {
  const platform = queryPlatform(query);
  const target = query.get("target");
  const id = query.get("buildid");
  const buildArgs = jsonObject(query, "buildargs");
  const labels = jsonObject(query, "labels");
  const credentials = credentialsByHost(headers);
  const given = [...buildArgs].flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
  return {
    dockerfileName: query.get("dockerfile") ?? "",
    remote: query.get("remote") ?? "",
    isQuiet: queryBoolean(query, "q"),
    squash: queryBoolean(query, "squash"),
    references: query
      .getAll("t")
      .filter((name) => name !== "")
      .map((name) => withDefaultTag(parseReference(name))),
    buildArgs: new Map(given),
    labels: Object.fromEntries([...labels].map(([name, value]) => [name, value ?? ""])),
    noCache: queryBoolean(query, "nocache"),
    pull: queryBoolean(query, "pull"),
    ...epochOf(new Map(given)),
    ...(platform === undefined ? {} : { platforms: [platform] }),
    ...(target === null || target === "" ? {} : { target }),
    ...(id === null || id === "" ? {} : { id }),
    run: runSettings(query),
    credentialsOf: (domain) => credentials.get(domain),
  };
}

/** `SOURCE_DATE_EPOCH`: nothing in the image is younger. */
function epochOf(args: ReadonlyMap<string, string>): Pick<BuildOptions, "times"> {
  const text = args.get("SOURCE_DATE_EPOCH");
  if (text === undefined || text === "") return {};
  if (!/^\d{1,12}$/.test(text))
    throw new PlyError("invalid", `invalid SOURCE_DATE_EPOCH: ${text} is no number of seconds since 1970`);
  return { times: { atMost: Number(text) } };
}

function runSettings(query: URLSearchParams): RunSettings {
  const network = query.get("networkmode");
  const shmSize = queryInteger(query, "shmsize") ?? 0;
  const extraHosts = query.getAll("extrahosts").filter((host) => host !== "");
  const securityOpt = json(query, "securityopt");
  const ulimits = json(query, "ulimits");
  return {
    ...(network === null || network === "" ? {} : { network }),
    ...(shmSize > 0 ? { shmSize } : {}),
    ...(extraHosts.length === 0 ? {} : { extraHosts }),
    ...(securityOpt == null ? {} : { securityOpt: asStrings(securityOpt, "securityopt", 100) }),
    ...(ulimits == null ? {} : { ulimits: ulimitsOf(ulimits) }),
    resources: {
      ...number(query, "memory", "memory"),
      ...number(query, "memswap", "memorySwap"),
      ...number(query, "cpushares", "cpuShares"),
      ...number(query, "cpuperiod", "cpuPeriod"),
      ...number(query, "cpuquota", "cpuQuota"),
      ...(query.get("cpusetcpus") ? { cpusetCpus: query.get("cpusetcpus") ?? "" } : {}),
      ...(query.get("cpusetmems") ? { cpusetMems: query.get("cpusetmems") ?? "" } : {}),
    },
  };
}

function number<Name extends string>(
  query: URLSearchParams,
  parameter: string,
  name: Name,
): Partial<Record<Name, number>> {
  const value = queryInteger(query, parameter) ?? 0;
  return value === 0 ? {} : ({ [name]: value } as Record<Name, number>);
}

function ulimitsOf(value: unknown): NonNullable<RunSettings["ulimits"]> {
  if (!Array.isArray(value)) throw new PlyError("invalid", "invalid ulimits: not a list");
  return value.map((each: unknown) => {
    const { Name, Soft, Hard } = asObject(each, "ulimits");
    if (typeof Name !== "string" || typeof Soft !== "number" || typeof Hard !== "number")
      throw new PlyError("invalid", "invalid ulimits: each has Name, Soft and Hard");
    return { name: Name, soft: Soft, hard: Hard };
  });
}

function json(query: URLSearchParams, name: string): unknown {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PlyError("invalid", `error reading ${name}: it is not JSON`, { cause });
  }
}

/** A JSON object of texts; null stays. */
function jsonObject(query: URLSearchParams, name: string): Map<string, string | null> {
  const value = json(query, name) ?? {};
  if (!isObject(value)) throw new PlyError("invalid", `error reading ${name}: it is not an object`);
  return new Map(
    Object.entries(value).map(([key, each]) => {
      if (each !== null && typeof each !== "string")
        throw new PlyError("invalid", `error reading ${name}: ${key} is not a text`);
      return [key, each];
    }),
  );
}
