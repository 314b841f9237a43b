import type { ImageConfig } from "../oci/index.ts";

/** The config's `created` in milliseconds since 1970; null when it has none, or none that is a time. */
export function builtAtOf(config: ImageConfig): number | null {
  if (config.created === undefined || config.created === "") return null;
  const at = Date.parse(config.created);
  return Number.isNaN(at) ? null : at;
}
