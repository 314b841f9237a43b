import { PlyError } from "../../error.ts";
import { formatPlatform, type Platform } from "../../oci/index.ts";
import type { BuildOptions } from "../build.ts";
import type { AnnotationPlace, BuildOutput } from "./output.ts";

/** What is asked for, or an image of the list. */
export function outputsOf({ outputs, references = [] }: BuildOptions): readonly BuildOutput[] {
  return outputs ?? [{ kind: "image", names: references, isStored: true }];
}

/** Refuses, before anything is built, what no result could become. Throws "unsupported" and "invalid". */
export function checkOutputs(options: BuildOptions): void {
  const { platforms = [], annotations = [], provenance } = options;
  const isIndexed = (output: BuildOutput): boolean =>
    output.kind === "archive"
      ? output.format === "oci"
      : output.kind === "image" && output.push !== undefined;
  if (provenance !== undefined && !outputsOf(options).some(isIndexed))
    throw new PlyError("invalid", "Attestation is not supported for images of this engine and for files", {
      hint: "--push and -o type=oci,dest=FILE keep it beside the image",
    });
  const isForIndex = annotations.some(({ place }) => place === "index" || place === "index-descriptor");
  for (const output of outputsOf(options)) {
    if (output.kind === "image" && output.push !== undefined && output.names.length === 0)
      throw new PlyError("invalid", "tag is needed when pushing to registry", { hint: "name it with -t" });
    const isOne =
      (output.kind === "image" && output.isStored) ||
      (output.kind === "archive" && output.format === "docker");
    if (!isOne) continue;
    if (platforms.length > 1)
      throw new PlyError(
        "unsupported",
        `Multi-platform build is not supported for ${output.kind === "image" ? "images of this engine" : "docker archives"}: one image is for one platform (${platforms.map(formatPlatform).join(", ")})`,
        {
          hint: "--push, -o type=oci,dest=FILE and -o DIR take several; or build each platform with a -t of its own",
        },
      );
    // What is pushed besides has a place for them.
    if (isForIndex && !isIndexed(output))
      throw new PlyError("invalid", "index annotations not supported for single platform export");
  }
}

/** The annotations of one place, for a platform; undefined: none. */
export function annotationsFor(
  { annotations = [] }: BuildOptions,
  place: AnnotationPlace,
  platform?: Platform,
): Readonly<Record<string, string>> | undefined {
  const fitting = annotations.filter(
    (annotation) =>
      annotation.place === place &&
      (annotation.platform === undefined ||
        (platform !== undefined && formatPlatform(annotation.platform) === formatPlatform(platform))),
  );
  if (fitting.length === 0) return undefined;
  return Object.fromEntries(fitting.map(({ key, value }) => [key, value]));
}
