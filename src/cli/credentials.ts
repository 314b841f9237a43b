import { parseReference } from "../oci/index.ts";
import type { Credentials } from "../registry/index.ts";
import { type AuthConfig, encodeAuthHeader, REGISTRY_CONFIG_HEADER } from "../wire/index.ts";

type Environment = Readonly<Record<string, string | undefined>>;
type Headers = Readonly<Record<string, string>>;

/**
 * The header that carries what this user has for the registries of these names; none where nothing is stored.
 * Credentials live with the user, not with the engine.
 */
export async function registryConfigHeaders(names: readonly string[], env: Environment): Promise<Headers> {
  const { dockerConfigCredentials } = await import("../registry/index.ts");
  const credentialsFor = dockerConfigCredentials({ env });
  const found = new Map<string, Credentials>();
  for (const host of hostsOf(names)) {
    const credentials = await credentialsFor(host);
    if (credentials !== undefined) found.set(host, credentials);
  }
  return headersOf(found);
}

/** The same with all that is stored, for those that cannot say yet which registries they ask. */
export async function allRegistryConfigHeaders(
  {
    names,
    areAllKnown,
  }: {
    readonly names: readonly string[];
    /** There are no other names: credential helpers need not be asked for other registries. */
    readonly areAllKnown: boolean;
  },
  env: Environment,
): Promise<Headers> {
  const { allDockerCredentials } = await import("../registry/index.ts");
  const hosts = hostsOf(names);
  const matters = (host: string): boolean => !areAllKnown || hosts.has(host);
  return headersOf(await allDockerCredentials({ env, matters, others: [...hosts] }));
}

function hostsOf(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => parseReference(name).domain));
}

function headersOf(credentials: ReadonlyMap<string, Credentials>): Headers {
  const configs: Record<string, AuthConfig> = {};
  for (const [host, found] of credentials)
    configs[host] = {
      serveraddress: host,
      ...(found.username === undefined ? {} : { username: found.username }),
      ...(found.password === undefined ? {} : { password: found.password }),
      ...(found.identityToken === undefined ? {} : { identitytoken: found.identityToken }),
      ...(found.registryToken === undefined ? {} : { registrytoken: found.registryToken }),
    };
  return Object.keys(configs).length === 0 ? {} : { [REGISTRY_CONFIG_HEADER]: encodeAuthHeader(configs) };
}
