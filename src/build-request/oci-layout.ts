import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFileWhole } from "../host-file.ts";
import { ANNOTATION, isObject, MEDIA_TYPE } from "../oci/index.ts";

/** Where the index of what is being written lies until all that it names is there. */
export const NEW_INDEX = "index.json.new";

interface Entry {
  readonly digest?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Adds what was written to the images that a layout has already; one of the same name takes the place of the old one. */
export async function mergeLayout(directory: string): Promise<void> {
  const added = readIndex(join(directory, NEW_INDEX));
  const index = join(directory, "index.json");
  const names = new Set(added.map(({ annotations }) => annotations?.[ANNOTATION.refName]));
  const digests = new Set(added.map(({ digest }) => digest));
  const kept = readIndex(index).filter(({ digest, annotations }) => {
    const name = annotations?.[ANNOTATION.refName];
    return name === undefined ? !digests.has(digest) : !names.has(name);
  });
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: [...kept, ...added],
  };
  await writeFileWhole(index, [Buffer.from(JSON.stringify(document))]);
  rmSync(join(directory, NEW_INDEX));
}

/** Its entries; none where there is no index, or something else. */
function readIndex(path: string): Entry[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  const index: unknown = JSON.parse(text);
  return isObject(index) && Array.isArray(index["manifests"]) ? (index["manifests"] as Entry[]) : [];
}
