import { parseBoolean } from "../../../boolean.ts";
import { csvFields } from "../../../dockerfile/index.ts";
import { PlyError } from "../../../error.ts";
import { isObject } from "../../../oci/index.ts";
import type { DockerHostConfig, PlyBuildRequest } from "../../../wire/index.ts";
import { cacheSourceOf, cacheTargetOf } from "./caches.ts";
import { annotationsOf, outputOf } from "./exporters.ts";
import { attributesAfter, type Order, type Typed } from "./order.ts";

/** What an order says, but for contexts and the Dockerfile, as ply's own build API has it. */
export type OrderRequest = Omit<PlyBuildRequest, "context" | "contexts" | "layouts" | "dockerfile" | "call">;

/** Reads the attributes of `dockerfile.v0` and of exporters. Throws "invalid" and "unsupported" naming what it is about. */
export function requestOf(order: Order): OrderRequest {
  const { attributes, exporters, entitlements } = order;
  const of = (name: string): string | undefined => attributes.get(name);
  const platforms = (of("platform") ?? "").split(",").filter((name) => name !== "");
  const noCache = of("no-cache");
  const provenance = provenanceOf(order);
  const request: { readonly [Key in keyof OrderRequest]: OrderRequest[Key] | undefined } = {
    target: of("target"),
    platforms: platforms.length === 0 ? undefined : platforms,
    buildArgs: Object.fromEntries(attributesAfter(attributes, "build-arg:")),
    labels: Object.fromEntries(attributesAfter(attributes, "label:")),
    // Without a name it means all stages.
    noCache: noCache === "" ? true : undefined,
    noCacheStages: noCache === undefined || noCache === "" ? undefined : noCache.split(","),
    pull: pullOf(of("image-resolve-mode")),
    network: networkOf(of("force-network-mode")),
    hostConfig: hostConfigOf(attributes),
    allow: entitlements.map(rightOf),
    outputs: exporters.map((exporter) => outputOf(exporter, platforms.length)),
    annotations: exporters.flatMap(annotationsOf),
    provenance,
    cacheFrom: cacheImportsOf(order).flatMap(cacheSourceOf),
    cacheTo: order.cacheExports.map(cacheTargetOf),
  };
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
}

function pullOf(mode = ""): boolean | undefined {
  if (mode === "pull") return true;
  if (mode === "" || mode === "default" || mode === "local") return undefined;
  throw new PlyError("invalid", `invalid image-resolve-mode: ${mode}`);
}

function networkOf(mode = ""): string | undefined {
  if (mode === "" || mode === "sandbox") return undefined;
  if (mode === "none" || mode === "host") return mode;
  throw new PlyError("invalid", `invalid netmode ${mode}`);
}

/** Settings of the containers of all steps, by attributes that hold a number. */
const NUMBERS: readonly (readonly [attribute: string, field: keyof DockerHostConfig])[] = [
  ["shm-size", "ShmSize"],
  ["memory", "Memory"],
  ["memswap", "MemorySwap"],
  ["cpushares", "CpuShares"],
  ["cpuperiod", "CpuPeriod"],
  ["cpuquota", "CpuQuota"],
];
const TEXTS: readonly (readonly [attribute: string, field: string])[] = [
  ["cpusetcpus", "CpusetCpus"],
  ["cpusetmems", "CpusetMems"],
  ["cgroup-parent", "CgroupParent"],
];

function hostConfigOf(attributes: ReadonlyMap<string, string>): DockerHostConfig {
  const given = (name: string): string | undefined => attributes.get(name) || undefined;
  const hosts = given("add-hosts");
  const ulimits = given("ulimit");
  const numbers = NUMBERS.flatMap(([attribute, field]) => {
    const text = given(attribute);
    if (text === undefined) return [];
    if (!/^-?\d{1,15}$/.test(text)) throw new PlyError("invalid", `invalid ${attribute} value: ${text}`);
    return [[field, Number(text)]];
  });
  const texts = TEXTS.flatMap(([attribute, field]) => {
    const text = given(attribute);
    return text === undefined ? [] : [[field, text]];
  });
  return {
    ...Object.fromEntries([...numbers, ...texts]),
    ...(hosts === undefined ? {} : { ExtraHosts: csvFields(hosts).map(hostOf) }),
    ...(ulimits === undefined ? {} : { Ulimits: csvFields(ulimits).map(ulimitOf) }),
  };
}

/** `name=address` as `name:address`. */
function hostOf(field: string): string {
  const equals = field.indexOf("=");
  if (equals < 1)
    throw new PlyError("invalid", `failed to parse additional hosts: invalid key-value pair ${field}`);
  return `${field.slice(0, equals)}:${field.slice(equals + 1)}`;
}

function ulimitOf(field: string): { readonly Name: string; readonly Soft: number; readonly Hard: number } {
  const [, Name = "", soft = "", hard = soft] = /^([a-z]+)=(-?\d{1,15})(?::(-?\d{1,15}))?$/.exec(field) ?? [];
  if (Name === "") throw new PlyError("invalid", `failed to parse ulimit: invalid ulimit argument: ${field}`);
  return { Name, Soft: Number(soft), Hard: Number(hard) };
}

const RIGHTS = ["network.host", "security.insecure", "device"];

function rightOf(right: string): string {
  if (RIGHTS.includes(right.split("=", 1)[0] ?? "")) return right;
  throw new PlyError("invalid", `unknown entitlement ${right}`);
}

/** `attest:provenance`; one that the client asks for by itself (`inline-only`) only where there is a place for it. */
function provenanceOf({ attributes, exporters }: Order): "min" | "max" | undefined {
  for (const name of attributesAfter(attributes, "attest:").keys())
    if (name !== "provenance" && !isOff(attributes.get(`attest:${name}`)))
      throw new PlyError("unsupported", `ply makes no attestation of type ${name}`, {
        hint:
          name === "sbom" ? "leave out --sbom, and scan the image that was built" : "--provenance is known",
      });
  const text = attributes.get("attest:provenance");
  if (text === undefined || isOff(text)) return undefined;
  const fields = new Map(
    csvFields(text).map((field) => {
      const equals = field.indexOf("=");
      return equals < 0 ? [field, ""] : [field.slice(0, equals), field.slice(equals + 1)];
    }),
  );
  const hasPlace = exporters.some(
    ({ type, attributes: own }) =>
      type === "oci" ||
      ((type === "image" || type === "moby") && parseBoolean(own.get("push") ?? "") === true),
  );
  if (parseBoolean(fields.get("inline-only") ?? "") === true && !hasPlace) return undefined;
  const mode = fields.get("mode") ?? "min";
  if (mode !== "min" && mode !== "max") throw new PlyError("invalid", `invalid provenance mode: ${mode}`);
  return mode;
}

function isOff(text: string | undefined): boolean {
  return (
    text !== undefined && (parseBoolean(text) === false || /(?:^|,)disabled=(?:true|1)(?:,|$)/.test(text))
  );
}

/** Clients send them twice: as a field, and as JSON for frontends. */
function cacheImportsOf({ attributes, cacheImports }: Order): readonly Typed[] {
  const text = attributes.get("cache-imports");
  if (cacheImports.length > 0 || text === undefined || text === "") return cacheImports;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    throw new PlyError("invalid", "failed to unmarshal cache-imports: it is not JSON", { cause });
  }
  if (!Array.isArray(list)) throw new PlyError("invalid", "failed to unmarshal cache-imports: it is no list");
  return list.filter(isObject).map(({ Type, Attrs }) => ({
    type: String(Type),
    attributes: new Map(
      Object.entries(isObject(Attrs) ? Attrs : {}).map(([name, value]) => [name, String(value)]),
    ),
  }));
}
