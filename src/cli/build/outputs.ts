import { statSync } from "node:fs";
import type { PlyBuildAnnotation, PlyBuildOutput, PlyBuildRequest, PlyLayerForm } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";
import type { Stdio } from "../terminal/index.ts";
import { annotationsOfSpec, parseAnnotation } from "./annotations.ts";
import { readProvenance } from "./attestations.ts";
import { platformOfParts } from "./compat-flags.ts";
import type { BuildFlags } from "./flags.ts";
import { flagOf, type OutputSpec, parseOutputSpec } from "./output-spec.ts";

/** Where the bytes of an output go. */
export type Sink =
  | { readonly kind: "stdout" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "directory"; readonly path: string }
  /** A directory that is an OCI layout. */
  | { readonly kind: "layout"; readonly path: string };

export interface PlannedOutputs {
  /** Undefined: nobody said anything, so it is an image of the engine's list. */
  readonly outputs: readonly PlyBuildOutput[] | undefined;
  /** Of the outputs, by their places; undefined where the engine has all to do. */
  readonly sinks: readonly (Sink | undefined)[];
  readonly annotations: readonly PlyBuildAnnotation[];
}

export interface OutputWishes {
  /** `--output`. */
  readonly given: readonly string[];
  readonly push: boolean;
  readonly load: boolean;
  readonly hasSeveralPlatforms: boolean;
  readonly isStdoutTerminal: boolean;
}

/** What the flags say of the result, and where its bytes go. Throws UsageError in buildx's words. */
export function readOutputs(flags: BuildFlags, stdio: Pick<Stdio, "isTerminal">): PlannedOutputs {
  const planned = planOutputs({
    given: flags.output,
    push: flags.push,
    load: flags.load,
    hasSeveralPlatforms: platformsOf(flags).length > 1,
    isStdoutTerminal: stdio.isTerminal("stdout"),
  });
  if (flags.iidfile !== undefined && planned.outputs?.some(({ kind }) => kind === "files"))
    throw new UsageError("local and tar exporters are incompatible with image ID file");
  return { ...planned, annotations: [...flags.annotation.flatMap(parseAnnotation), ...planned.annotations] };
}

/** The request's fields of it. */
export function outputFields(
  { outputs, annotations }: PlannedOutputs,
  flags: BuildFlags,
): Pick<PlyBuildRequest, "outputs" | "annotations" | "squash" | "noCache" | "provenance"> {
  const provenance = readProvenance(flags);
  const isOneLayer = flags.layers === "false";
  return {
    ...(outputs === undefined ? {} : { outputs }),
    ...(annotations.length === 0 ? {} : { annotations }),
    ...(flags["squash-all"] ? { squash: "all" } : flags.squash || isOneLayer ? { squash: "own" } : {}),
    ...(isOneLayer ? { noCache: true } : {}),
    ...(provenance === undefined ? {} : { provenance }),
  };
}

/** `--platform`, which may be repeated and hold several. */
export function platformsOf(flags: BuildFlags): string[] {
  const { platform } = flags;
  if (platform.length > 0) return platform.flatMap((text) => text.split(","));
  const ofParts = platformOfParts(flags);
  return ofParts === undefined ? [] : [ofParts];
}

/** What is to become of a build. */
export function planOutputs(wishes: OutputWishes): PlannedOutputs {
  const { given, push, load } = wishes;
  const specs = given.map(parseOutputSpec);
  if (specs.length === 0 && !push) return { outputs: undefined, sinks: [], annotations: [] };
  const planned = specs.flatMap((spec) => planOutput(spec, wishes));
  const isImage = ({ output }: Planned): boolean => output.kind === "image";
  if (push && !planned.some(isImage))
    planned.push({ output: { kind: "image", isStored: false, push: "name" }, sink: undefined });
  // Two outputs may not both take the standard output.
  if (planned.filter(({ sink }) => sink?.kind === "stdout").length > 1)
    throw new UsageError("multiple outputs configured to write to stdout");
  const isStoredWithPush = push && specs.length === 0 && !wishes.hasSeveralPlatforms;
  let outputs = planned.map(({ output }) =>
    output.kind !== "image"
      ? output
      : {
          ...output,
          isStored: output.isStored || isStoredWithPush,
          ...(push ? { push: output.push ?? "name" } : {}),
        },
  );
  const isStored = outputs.some((output) => output.kind === "image" && output.isStored);
  if (load && !isStored) outputs = [...outputs, { kind: "image", isStored: true }];
  return {
    outputs,
    sinks: planned.map(({ sink }) => sink),
    annotations: specs.flatMap(annotationsOfSpec),
  };
}

interface Planned {
  readonly output: PlyBuildOutput;
  readonly sink: Sink | undefined;
}

function planOutput(spec: OutputSpec, wishes: OutputWishes): Planned[] {
  const { type, attributes } = spec;
  const name = attributes.get("name");
  const named = name === undefined || name === "" ? {} : { names: name.split(",") };
  switch (type) {
    case "cacheonly":
      return [];
    case "local":
      return [
        { output: filesOutput(spec, wishes), sink: directorySink(type, attributes.get("dest"), "directory") },
      ];
    case "tar":
      return [{ output: filesOutput(spec, wishes), sink: fileSink(type, attributes.get("dest"), wishes) }];
    case "image":
    case "registry":
      return [
        {
          output: { kind: "image", ...named, ...imageWishes(spec, wishes), ...formOf(spec) },
          sink: undefined,
        },
      ];
  }
  const dest = attributes.get("dest");
  if (type === "docker" && dest === undefined)
    return [{ output: { kind: "image", ...named, isStored: true }, sink: undefined }];
  const isTar = flagOf(spec, "tar", true);
  if (type === "docker" && !isTar)
    throw new UsageError("--output: type=docker cannot be written with tar=false");
  const format = type === "docker" ? "docker" : "oci";
  return [
    {
      // An OCI layout is on its way to a registry, where plain layers are no good; what is for docker load is faster as it is.
      output: {
        kind: "archive",
        format,
        ...named,
        ...(format === "oci" ? { form: { compression: "gzip" } } : {}),
        ...formOf(spec),
      },
      sink: isTar ? fileSink(type, dest, wishes) : directorySink(type, dest, "layout"),
    },
  ];
}

function filesOutput(spec: OutputSpec, { hasSeveralPlatforms }: OutputWishes): PlyBuildOutput {
  return { kind: "files", isSplit: flagOf(spec, "platform-split", hasSeveralPlatforms) };
}

function imageWishes(
  spec: OutputSpec,
  { hasSeveralPlatforms }: OutputWishes,
): Pick<Extract<PlyBuildOutput, { readonly kind: "image" }>, "isStored" | "push"> {
  const byDigest = flagOf(spec, "push-by-digest", false);
  const isPushed = flagOf(spec, "push", spec.type === "registry" || byDigest);
  return {
    isStored: flagOf(spec, "store", !(isPushed && hasSeveralPlatforms)),
    ...(isPushed ? { push: byDigest ? "digest" : "name" } : {}),
  };
}

const COMPRESSIONS: Readonly<Record<string, PlyLayerForm["compression"]>> = {
  uncompressed: "none",
  gzip: "gzip",
  zstd: "zstd",
};
/** Highest levels. */
const LEVELS = { none: 0, gzip: 9, zstd: 22 } as const;

function formOf(spec: OutputSpec): { readonly form?: PlyLayerForm } {
  const { attributes } = spec;
  if (!flagOf(spec, "oci-mediatypes", true))
    throw new UsageError("--output: oci-mediatypes=false: manifests are written as OCI has them");
  // Times are rewritten wherever SOURCE_DATE_EPOCH or --timestamp says so.
  flagOf(spec, "rewrite-timestamp", true);
  const force = flagOf(spec, "force-compression", false);
  const name =
    attributes.get("compression") ?? (force || attributes.has("compression-level") ? "gzip" : undefined);
  if (name === undefined) return {};
  const compression = COMPRESSIONS[name];
  if (compression === undefined)
    throw new UsageError(`--output: unsupported layer compression type ${name} (gzip, zstd, uncompressed)`);
  const level = attributes.get("compression-level");
  if (level !== undefined && (!/^\d+$/.test(level) || Number(level) > LEVELS[compression]))
    throw new UsageError(
      `--output: invalid compression-level ${level} for ${name} (0 to ${LEVELS[compression]})`,
    );
  return {
    form: {
      compression,
      ...(level === undefined ? {} : { level: Number(level) }),
      ...(force ? { force } : {}),
    },
  };
}

function directorySink(type: string, dest: string | undefined, kind: "directory" | "layout"): Sink {
  if (dest === undefined || dest === "") throw new UsageError(`dest is required for ${type} exporter`);
  if (dest === "-") throw new UsageError(`dest cannot be stdout for ${type} exporter`);
  if (kindAt(dest) === "other") throw new UsageError(`destination directory ${dest} is a file`);
  return { kind, path: dest };
}

function fileSink(type: string, dest: string | undefined, { isStdoutTerminal }: OutputWishes): Sink {
  if (dest === undefined || dest === "" || dest === "-") {
    if (isStdoutTerminal)
      throw new UsageError(`dest file is required for ${type} exporter. refusing to write to console`);
    return { kind: "stdout" };
  }
  if (kindAt(dest) === "directory") throw new UsageError(`destination file ${dest} is a directory`);
  return { kind: "file", path: dest };
}

function kindAt(path: string): "directory" | "other" | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : stat.isDirectory() ? "directory" : "other";
}
