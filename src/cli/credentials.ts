import { parseReference } from "../oci/index.ts";
import { type AuthConfig, encodeAuthHeader, REGISTRY_CONFIG_HEADER } from "../wire/index.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The header that carries what this user has for the registries of these names; none where nothing is stored.
 * Credentials live with the user, not with the engine.
 */
export async function registryConfigHeaders(
  names: readonly string[],
  env: Environment,
): Promise<Readonly<Record<string, string>>> {
  const { dockerConfigCredentials } = await import("../registry/index.ts");
  const credentialsFor = dockerConfigCredentials({ env });
  const configs: Record<string, AuthConfig> = {};
  for (const host of new Set(names.map((name) => parseReference(name).domain))) {
    const found = await credentialsFor(host);
    if (found === undefined) continue;
    configs[host] = {
      serveraddress: host,
      ...(found.username === undefined ? {} : { username: found.username }),
      ...(found.password === undefined ? {} : { password: found.password }),
      ...(found.identityToken === undefined ? {} : { identitytoken: found.identityToken }),
      ...(found.registryToken === undefined ? {} : { registrytoken: found.registryToken }),
    };
  }
  return Object.keys(configs).length === 0 ? {} : { [REGISTRY_CONFIG_HEADER]: encodeAuthHeader(configs) };
}
