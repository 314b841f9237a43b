import { PlyError } from "../error.ts";
import { canonicalName, DEFAULT_DOMAIN, type Reference } from "../oci/index.ts";
import type { RegistryRule } from "./client.ts";

/** Docker Hub's registry answers under this name, not under the one in references. */
const DOCKER_HUB_HOST = "registry-1.docker.io";

export type Scheme = "https" | "http";

/** One place a repository is really at. */
export interface Endpoint {
  /** Authority of its URLs: `registry-1.docker.io`, `127.0.0.1:5000`, `[::1]:5000`. */
  readonly host: string;
  /** Repository path there; empty for requests that are about no repository. */
  readonly repository: string;
  /** Tried in order until one answers. */
  readonly schemes: readonly Scheme[];
  /** False: any certificate will do. */
  readonly verifiesTls: boolean;
  /** What users log in to: the domain in references, `docker.io`. */
  readonly credentialsHost: string;
  readonly isMirror: boolean;
}

interface Location {
  readonly scheme?: Scheme;
  readonly host: string;
  readonly path: string;
}

const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?$/;
const REPOSITORY = /^$|^[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)*$/;

/**
 * Where to go for a repository, best first: mirrors (pulls only), then the location its rule gives, or itself.
 * Throws "denied" when a rule blocks it.
 */
export function endpointsOf(
  reference: Reference,
  rules: readonly RegistryRule[],
  purpose: "pull" | "push",
): Endpoint[] {
  const name = canonicalName(reference);
  const rule = ruleFor(name, rules);
  if (rule?.blocked === true)
    throw new PlyError("denied", `${name} is blocked by the registry rule ${JSON.stringify(rule.prefix)}`, {
      hint: "take the rule out of registries.json to allow it",
      details: { rule: rule.prefix },
    });
  const located = rule?.location === undefined ? name : replacePrefix(name, rule.prefix, rule.location);
  const home = endpointAt(located, rules, { isMirror: false, isInsecure: rule?.insecure === true });
  if (purpose === "push") return [home];
  const mirrors = (rule?.mirrors ?? []).map((mirror) =>
    endpointAt(replacePrefix(name, rule?.prefix ?? "", mirror), rules, {
      isMirror: true,
      isInsecure: false,
    }),
  );
  return [...mirrors, home];
}

/** The endpoint of a registry as such, for login and catalog. Accepts `https://index.docker.io/v1/` for Docker Hub. */
export function endpointOfHost(host: string, rules: readonly RegistryRule[]): Endpoint {
  const { host: authority } = parseLocation(registryHostOf(host));
  const [home] = endpointsOf({ domain: authority, path: "" }, rules, "push");
  if (home === undefined) throw new PlyError("internal", `no endpoint for ${host}`);
  return home;
}

/** The domain in references for what users and Docker's configuration call a registry. */
export function registryHostOf(name: string): string {
  const host = name
    .trim()
    .replace(/^https?:\/\//, "")
    .replace(/\/.*$/, "");
  return host === "index.docker.io" || host === DOCKER_HUB_HOST || host === "" ? DEFAULT_DOMAIN : host;
}

/** True when a rule lets this host do without verified TLS. */
export function isInsecureHost(host: string, rules: readonly RegistryRule[]): boolean {
  return ruleFor(host, rules)?.insecure === true;
}

/** True for what never leaves this machine: 127.0.0.0/8, ::1, localhost; with or without a port. */
export function isLoopback(host: string): boolean {
  const name = hostnameOf(host).toLowerCase();
  if (name === "localhost" || name === "[::1]") return true;
  const octets = name.split(".");
  return octets.length === 4 && octets[0] === "127" && octets.every((octet) => /^\d{1,3}$/.test(octet));
}

/** `[::1]:5000` → `[::1]`. */
export function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, "");
}

/** The rule with the longest prefix that covers `domain/path`. */
export function ruleFor(name: string, rules: readonly RegistryRule[]): RegistryRule | undefined {
  let best: RegistryRule | undefined;
  for (const rule of rules)
    if (coveredLength(name, rule.prefix) !== undefined && (best?.prefix.length ?? -1) < rule.prefix.length)
      best = rule;
  return best;
}

/** Throws "invalid" for a location or mirror that cannot be one: `[http[s]://]HOST[:PORT][/PATH]`. */
export function parseLocation(text: string): Location {
  const [, scheme, rest = ""] = /^(?:(https?):\/\/)?(.*)$/s.exec(text) ?? [];
  const slash = rest.indexOf("/");
  const host = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 ? "" : rest.slice(slash + 1).replace(/\/+$/, "");
  if (!HOST.test(host) || !REPOSITORY.test(path))
    throw new PlyError(
      "invalid",
      `${JSON.stringify(text.slice(0, 200))} is not a registry location: it looks like mirror.example.com:5000/path`,
    );
  return { ...(scheme === "http" || scheme === "https" ? { scheme } : {}), host, path };
}

/** How much of the name the prefix stands for; undefined when it does not cover it. `*.x` stands for the host. */
function coveredLength(name: string, prefix: string): number | undefined {
  if (prefix.startsWith("*.")) {
    const slash = name.indexOf("/");
    const host = slash < 0 ? name : name.slice(0, slash);
    return hostnameOf(host).endsWith(prefix.slice(1)) ? host.length : undefined;
  }
  if (!name.startsWith(prefix)) return undefined;
  const next = name.charAt(prefix.length);
  return next === "" || next === "/" ? prefix.length : undefined;
}

function replacePrefix(name: string, prefix: string, location: string): string {
  return location.replace(/\/+$/, "") + name.slice(coveredLength(name, prefix) ?? 0);
}

function endpointAt(
  text: string,
  rules: readonly RegistryRule[],
  options: { readonly isMirror: boolean; readonly isInsecure: boolean },
): Endpoint {
  const { scheme, host: domain, path } = parseLocation(text);
  const isInsecure = options.isInsecure || isInsecureHost(path === "" ? domain : `${domain}/${path}`, rules);
  // An explicit scheme is the operator's own word; else plain HTTP is for loopback and insecure registries.
  const schemes: Scheme[] =
    scheme !== undefined ? [scheme] : isInsecure || isLoopback(domain) ? ["https", "http"] : ["https"];
  return {
    host: domain === DEFAULT_DOMAIN ? DOCKER_HUB_HOST : domain,
    repository: path,
    schemes,
    verifiesTls: !isInsecure,
    credentialsHost: domain,
    isMirror: options.isMirror,
  };
}
