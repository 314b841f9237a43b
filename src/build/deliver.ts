import { PlyError } from "../error.ts";
import { familiarString, type ImageConfig } from "../oci/index.ts";
import type { BuildResult } from "./build.ts";
import type { Session, StageResult } from "./session.ts";

/** What was built for one platform. */
export interface BuiltStage {
  readonly session: Session;
  readonly result: StageResult;
}

/** Makes of what was built what was asked for. */
export async function deliver(built: readonly BuiltStage[]): Promise<BuildResult> {
  const [first, ...others] = built;
  if (first === undefined) throw new PlyError("internal", "a build is for a platform");
  if (others.length > 0)
    throw new PlyError("unsupported", "an image here is for one platform", {
      hint: "build each platform with a name of its own",
    });
  const { session, result } = first;
  const { options, parts, lease, signal } = session;
  const references = options.references ?? [];
  const imageId = await parts.images.create(configOf(session, result), { lease, references, signal });
  return { imageId, names: references.map(familiarString) };
}

function configOf({ options }: Session, built: StageResult): ImageConfig {
  const { platform, author, history } = built;
  const labels = { ...built.config.Labels, ...options.labels };
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    ...(author === undefined ? {} : { author }),
    config: Object.keys(labels).length === 0 ? built.config : { ...built.config, Labels: labels },
    created: history.at(-1)?.created ?? new Date(0).toISOString(),
    history,
    rootfs: { type: "layers", diff_ids: built.diffIds },
  };
}
