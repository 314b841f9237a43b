export type * from "./client.ts";
export { unreachableReason } from "./connection-failure.ts";
export {
  allDockerCredentials,
  configPath,
  type DockerConfigOptions,
  dockerConfigCredentials,
  eraseCredentials,
  type StoredCredentials,
  storeCredentials,
} from "./docker-config.ts";
export { isLoopback, registryHostOf } from "./endpoint.ts";
export { openRegistry } from "./open-registry.ts";
export { parseRegistriesConfig, type RegistriesConfig } from "./registries-config.ts";
