import type { BuildResult } from "../../../build/index.ts";
import { canonicalName, parseReference } from "../../../oci/index.ts";
import { CACHE_ONLY } from "./exporters.ts";
import type { Order } from "./order.ts";

/** Outputs that are no images. */
const NO_IMAGES: readonly string[] = ["local", "tar", CACHE_ONLY];

/** What a client learns of the result: it fills `--iidfile` and `--metadata-file` with that. */
export function exporterResponse(
  { exporters, attributes }: Order,
  { imageId, descriptor }: BuildResult,
): ReadonlyMap<string, string> {
  const images = exporters.filter(({ type }) => !NO_IMAGES.includes(type));
  if (images.length === 0) return new Map();
  const isIndex = (attributes.get("platform") ?? "").includes(",");
  const names = images
    .flatMap((exporter) => (exporter.attributes.get("name") ?? "").split(","))
    .filter(Boolean);
  return new Map([
    ["containerimage.digest", descriptor?.digest ?? imageId],
    ...(isIndex ? [] : [["containerimage.config.digest", imageId] as const]),
    ...(descriptor === undefined
      ? []
      : [["containerimage.descriptor", Buffer.from(JSON.stringify(descriptor)).toString("base64")] as const]),
    ...(names.length === 0 ? [] : [["image.name", [...new Set(names.map(fullName))].join(",")] as const]),
  ]);
}

/** With the registry, and without a tag where none was written. */
export function fullName(name: string): string {
  const reference = parseReference(name);
  return `${canonicalName(reference)}${reference.tag === undefined ? "" : `:${reference.tag}`}`;
}
