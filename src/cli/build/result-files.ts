import type { Built } from "../../build-request/index.ts";
import { writeFileWhole } from "../../host-file.ts";
import { canonicalString, parseReference, withDefaultTag } from "../../oci/index.ts";
import type { PlannedOutputs } from "./outputs.ts";

export interface ResultFiles {
  readonly iidfile: string | undefined;
  readonly metadataFile: string | undefined;
}

/** What the build was asked for. */
export interface Asked {
  readonly planned: PlannedOutputs;
  readonly names: readonly string[];
  readonly hasSeveralPlatforms: boolean;
}

/** Writes `--iidfile` and `--metadata-file`, each whole or not at all. */
export async function writeResultFiles(files: ResultFiles, built: Built, asked: Asked): Promise<void> {
  const { iidfile, metadataFile } = files;
  if (iidfile !== undefined) await writeFileWhole(iidfile, [Buffer.from(imageIdOf(built, asked) ?? "")]);
  if (metadataFile !== undefined)
    await writeFileWhole(metadataFile, [
      Buffer.from(`${JSON.stringify(metadataOf(built, asked), null, 2)}\n`),
    ]);
}

/** What names the result: an image's id, of several platforms the index; undefined when no image was made. */
export function imageIdOf(built: Built, { planned, hasSeveralPlatforms }: Asked): string | undefined {
  const isImage = planned.outputs?.some(({ kind }) => kind !== "files") ?? true;
  if (!isImage) return undefined;
  return hasSeveralPlatforms ? built.descriptor?.digest : built.id;
}

/** In buildx's words. */
function metadataOf(built: Built, asked: Asked): Record<string, unknown> {
  const id = imageIdOf(built, asked);
  if (id === undefined) return {};
  const { descriptor } = built;
  const names = namesOf(asked);
  return {
    ...(asked.hasSeveralPlatforms ? {} : { "containerimage.config.digest": built.id }),
    ...(descriptor === undefined ? {} : { "containerimage.descriptor": descriptor }),
    "containerimage.digest": descriptor?.digest ?? id,
    ...(names.length === 0 ? {} : { "image.name": names.join(",") }),
  };
}

/** Names at whose registries the image is to be pushed. */
export function pushedNames({ planned, names }: Asked): string[] {
  return (planned.outputs ?? []).flatMap((output) =>
    output.kind === "image" && output.push !== undefined ? [...(output.names ?? names)] : [],
  );
}

function namesOf({ planned, names }: Asked): string[] {
  const own = (planned.outputs ?? []).flatMap((output) => ("names" in output ? (output.names ?? []) : []));
  const all = (own.length > 0 ? own : names).map((name) =>
    canonicalString(withDefaultTag(parseReference(name))),
  );
  return [...new Set(all)];
}
