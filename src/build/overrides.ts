import { withEnv } from "../dockerfile/index.ts";
import type { ImageConfig, ProcessConfig } from "../oci/index.ts";

/** What is said of the image besides the Dockerfile. */
export interface Overrides {
  /** `NAME=value`: as if every stage that begins with an image began with these `ENV`s. */
  readonly env?: readonly string[];
  readonly unsetEnv?: readonly string[];
  readonly unsetLabels?: readonly string[];
  readonly omitHistory?: boolean;
}

/** The settings a stage begins with. */
export function withGivenEnv<Begin extends { readonly config: ProcessConfig }>(
  begin: Begin,
  { env = [] }: Overrides,
): Begin {
  if (env.length === 0) return begin;
  const merged = env.reduce((all, entry) => {
    const equals = entry.indexOf("=");
    return withEnv(all, entry.slice(0, equals), entry.slice(equals + 1));
  }, begin.config.Env ?? []);
  return { ...begin, config: { ...begin.config, Env: [...merged] } };
}

/** The config of the image that is made. */
export function withoutUnset(image: ImageConfig, options: Overrides): ImageConfig {
  const { unsetEnv = [], unsetLabels = [], omitHistory = false } = options;
  if (unsetEnv.length + unsetLabels.length === 0 && !omitHistory) return image;
  const { Labels, Env, ...config } = image.config ?? {};
  const labels = Object.entries(Labels ?? {}).filter(([key]) => !unsetLabels.includes(key));
  const { history, ...rest } = image;
  return {
    ...rest,
    ...(omitHistory || history === undefined ? {} : { history }),
    config: {
      ...config,
      ...(Env === undefined
        ? {}
        : { Env: Env.filter((entry) => !unsetEnv.includes(entry.split("=", 1)[0] ?? "")) }),
      ...(labels.length === 0 ? {} : { Labels: Object.fromEntries(labels) }),
    },
  };
}
