export { API_VERSION, MAX_ACCEPTED_API_VERSION, MIN_API_VERSION } from "./api-version.ts";
export type { DoorOptions } from "./door.ts";
export {
  type ListenAddress,
  type Listener,
  type ListenOptions,
  listen,
  parseListenAddress,
} from "./listen.ts";
export { type ApiServer, type ApiServerOptions, createApiServer } from "./server.ts";
