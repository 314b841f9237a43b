import type { Digest } from "./digest.ts";

/**
 * A parsed image name (distribution/reference grammar). `domain` and `path` are canonical:
 * `nginx` has domain `docker.io` and path `library/nginx`.
 */
export interface Reference {
  /** Host, with port and IPv6 brackets where given: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** Repository path within the registry: `library/nginx`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}
