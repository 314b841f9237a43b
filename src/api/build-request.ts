import type { BuildOptions } from "../build/index.ts";
import { PlyError } from "../error.ts";
import { asStrings, isObject, parseReference, withDefaultTag } from "../oci/index.ts";
import { classicCaches } from "./build-cache.ts";
import { credentialsByHost } from "./credentials.ts";
import type { Exchange } from "./exchange.ts";
import { queryBoolean, queryInteger, queryPlatform } from "./query.ts";
import { stepSettings, stepWarnings } from "./step-settings.ts";

/** What `POST /build` asks for, but for the context. */
export type BuildRequest = Omit<BuildOptions, "context" | "dockerfile" | "onEvent" | "signal"> & {
  /** Path within the context; "" for the usual one. */
  readonly dockerfileName: string;
  /** Address of the context; "" when it is the body. */
  readonly remote: string;
  readonly isQuiet: boolean;
};

export const MAX_CACHES = 100;

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
    ...(queryBoolean(query, "squash") ? { squash: "own" as const } : {}),
    references: query
      .getAll("t")
      .filter((name) => name !== "")
      .map((name) => withDefaultTag(parseReference(name))),
    buildArgs: new Map(given),
    labels: Object.fromEntries([...labels].map(([name, value]) => [name, value ?? ""])),
    noCache: queryBoolean(query, "nocache"),
    ...classicCaches(asStrings(json(query, "cachefrom"), "cachefrom", MAX_CACHES)),
    pull: queryBoolean(query, "pull"),
    ...epochOf(new Map(given)),
    ...(platform === undefined ? {} : { platforms: [platform] }),
    ...(target === null || target === "" ? {} : { target }),
    ...(id === null || id === "" ? {} : { id }),
    ...runSettings(query),
    credentialsOf: (domain) => credentials.get(domain),
  };
}

/** `SOURCE_DATE_EPOCH`: nothing in the image is younger. */
export function epochOf(args: ReadonlyMap<string, string>): Pick<BuildOptions, "times"> {
  const text = args.get("SOURCE_DATE_EPOCH");
  if (text === undefined || text === "") return {};
  if (!/^\d{1,12}$/.test(text))
    throw new PlyError("invalid", `invalid SOURCE_DATE_EPOCH: ${text} is no number of seconds since 1970`);
  return { times: { atMost: Number(text) } };
}

function runSettings(query: URLSearchParams): Pick<BuildOptions, "run" | "warnings"> {
  const network = query.get("networkmode");
  const isolation = query.get("isolation") ?? "";
  if (!["", "default"].includes(isolation.toLowerCase()))
    throw new PlyError("invalid", `Unsupported isolation: ${JSON.stringify(isolation)}`);
  // The parameters are a container's settings under other names.
  const hostConfig = {
    ShmSize: queryInteger(query, "shmsize"),
    ExtraHosts: query.getAll("extrahosts").filter((host) => host !== ""),
    SecurityOpt: query.getAll("securityopt").filter((option) => option !== ""),
    Ulimits: json(query, "ulimits"),
    CgroupParent: query.get("cgroupparent"),
    Memory: queryInteger(query, "memory"),
    MemorySwap: queryInteger(query, "memswap"),
    CpuShares: queryInteger(query, "cpushares"),
    CpuPeriod: queryInteger(query, "cpuperiod"),
    CpuQuota: queryInteger(query, "cpuquota"),
    CpusetCpus: query.get("cpusetcpus"),
    CpusetMems: query.get("cpusetmems"),
  };
  return {
    run: {
      ...stepSettings(hostConfig),
      ...(network === null || network === "" ? {} : { network }),
    },
    warnings: stepWarnings(hostConfig),
  };
}

/** A parameter that holds JSON. Throws "invalid" naming it. */
export function json(query: URLSearchParams, name: string): unknown {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PlyError("invalid", `error reading ${name}: it is not JSON`, { cause });
  }
}

/** A JSON object of texts; null stays. */
export function jsonObject(query: URLSearchParams, name: string): Map<string, string | null> {
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
