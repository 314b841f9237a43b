import { PlyError } from "../../error.ts";
import { asStrings, formatPlatform, isObject } from "../../oci/index.ts";
import { json, jsonObject, MAX_CACHES } from "../build-request.ts";
import { queryBoolean, queryPlatform } from "../query.ts";
import type { Order, Typed } from "./control/order.ts";

/** Parameters of `POST /build` that go on as they are, with the attribute of the frontend that each is. */
const ATTRIBUTES: readonly (readonly [parameter: string, attribute: string])[] = [
  ["dockerfile", "filename"],
  ["target", "target"],
  ["shmsize", "shm-size"],
  ["memory", "memory"],
  ["memswap", "memswap"],
  ["cpushares", "cpushares"],
  ["cpuperiod", "cpuperiod"],
  ["cpuquota", "cpuquota"],
  ["cpusetcpus", "cpusetcpus"],
  ["cpusetmems", "cpusetmems"],
  ["cgroupparent", "cgroup-parent"],
];

/** Contexts that the client's session has, under the names that they have there. */
const IN_SESSION = "client-session";

/**
 * The query of `POST /build?version=2` as an order. `body`: the address under which the request's body is found. Throws
 * "invalid" naming the parameter.
 */
export function orderOfQuery(query: URLSearchParams, { body }: { readonly body: string }): Order {
  const remote = query.get("remote") ?? "";
  const network = query.get("networkmode") ?? "";
  const platform = queryPlatform(query);
  const hosts = query.getAll("extrahosts").filter((host) => host !== "");
  const caches = asStrings(json(query, "cachefrom"), "cachefrom", MAX_CACHES);
  const attributes = new Map<string, string>();
  for (const [parameter, attribute] of ATTRIBUTES) {
    const value = query.get(parameter) ?? "";
    // Numbers are 0 where there is none.
    if (value !== "" && value !== "0") attributes.set(attribute, value);
  }
  if (remote !== IN_SESSION) attributes.set("context", remote === "" ? body : remote);
  for (const [name, value] of jsonObject(query, "buildargs"))
    if (value !== null) attributes.set(`build-arg:${name}`, value);
  for (const [name, value] of jsonObject(query, "labels")) attributes.set(`label:${name}`, value ?? "");
  if (queryBoolean(query, "nocache")) attributes.set("no-cache", "");
  if (queryBoolean(query, "pull")) attributes.set("image-resolve-mode", "pull");
  if (!["", "default", "bridge"].includes(network)) attributes.set("force-network-mode", network);
  if (platform !== undefined) attributes.set("platform", formatPlatform(platform));
  if (hosts.length > 0) attributes.set("add-hosts", hosts.map((host) => host.replace(":", "=")).join(","));
  const ulimits = ulimitsOf(json(query, "ulimits"));
  if (ulimits !== "") attributes.set("ulimit", ulimits);
  return {
    frontend: "dockerfile.v0",
    attributes,
    inputs: new Map(),
    exporters: exportersOf(query),
    cacheImports: caches.map((ref) => ({ type: "registry", attributes: new Map([["ref", ref]]) })),
    cacheExports: attributes.get("build-arg:BUILDKIT_INLINE_CACHE") === "1" ? [INLINE] : [],
    // Whoever may ask this way may ask for the host's network.
    entitlements: network === "host" ? ["network.host"] : [],
  };
}

const INLINE: Typed = { type: "inline", attributes: new Map() };

/** An image of the list, called as `t` says, where `outputs` says nothing else. */
function exportersOf(query: URLSearchParams): Typed[] {
  const names = query.getAll("t").filter((name) => name !== "");
  const outputs = json(query, "outputs") ?? [];
  if (!Array.isArray(outputs)) throw new PlyError("invalid", "error reading outputs: it is no list");
  if (outputs.length > 1)
    throw new PlyError("unsupported", "multiple outputs not supported", {
      hint: "docker buildx build has them",
    });
  const [output] = outputs;
  if (output === undefined) return [{ type: "moby", attributes: new Map([["name", names.join(",")]]) }];
  if (!isObject(output)) throw new PlyError("invalid", "error reading outputs: one is no object");
  const { Type, Attrs } = output;
  const own = Object.entries(isObject(Attrs) ? Attrs : {}).map(
    ([name, value]) => [name, String(value)] as const,
  );
  const attributes = new Map([...(names.length === 0 ? [] : [["name", names.join(",")] as const]), ...own]);
  // What Docker's engine calls its own list of images.
  return [{ type: Type === "image" ? "moby" : String(Type), attributes }];
}

function ulimitsOf(list: unknown): string {
  if (list === undefined || list === null) return "";
  if (!Array.isArray(list) || !list.every(isObject))
    throw new PlyError("invalid", "error reading ulimits: it is no list of objects");
  return list.map(({ Name, Soft, Hard }) => `${String(Name)}=${String(Soft)}:${String(Hard)}`).join(",");
}
