import { parseBoolean } from "../../../boolean.ts";
import { PlyError } from "../../../error.ts";
import type { PlyBuildAnnotation, PlyBuildOutput, PlyLayerForm } from "../../../wire/index.ts";
import type { Typed } from "./order.ts";

/** A result that goes nowhere. Builds that use it find it in the list, where it has no name. */
export const CACHE_ONLY = "cacheonly";

const ARCHIVES = ["docker", "oci"];
const IMAGES = ["image", "moby"];
const PLACES: readonly string[] = ["manifest", "index", "manifest-descriptor", "index-descriptor"];

/** What becomes of the result by an exporter. Throws "unsupported" for those there are not. */
export function outputOf(exporter: Typed, platformCount: number): PlyBuildOutput {
  const { type, attributes } = exporter;
  const names = (attributes.get("name") ?? "").split(",").filter((name) => name !== "");
  const form = formOf(exporter);
  if (type === CACHE_ONLY) return { kind: "image", names: [], isStored: true };
  if (IMAGES.includes(type)) {
    const isPushed = truth(exporter, "push", false);
    const push = truth(exporter, "push-by-digest", false) ? "digest" : "name";
    return {
      kind: "image",
      names,
      // The list has images of one platform each: several are for a registry alone.
      isStored: truth(exporter, "store", true) && !(isPushed && (platformCount > 1 || push === "digest")),
      ...(isPushed ? { push } : {}),
      ...(form === undefined ? {} : { form }),
    };
  }
  if (ARCHIVES.includes(type)) {
    if (!truth(exporter, "tar", true))
      throw new PlyError("unsupported", `type=${type},tar=false: ply sends ${type} outputs as archives`, {
        hint: "leave out tar=false and unpack the archive",
      });
    const format = type === "oci" ? "oci" : "docker";
    return { kind: "archive", format, names, ...(form === undefined ? {} : { form }) };
  }
  if (type === "local" || type === "tar")
    return { kind: "files", isSplit: truth(exporter, "platform-split", platformCount > 1) };
  throw new PlyError("unsupported", `exporter ${JSON.stringify(type)} could not be found`, {
    hint: "there are image, docker, oci, local and tar",
  });
}

function formOf(exporter: Typed): PlyLayerForm | undefined {
  const { attributes } = exporter;
  const given = attributes.get("compression");
  const level = attributes.get("compression-level");
  if (given === undefined && level === undefined) return undefined;
  const compression = given === undefined ? "gzip" : given === "uncompressed" ? "none" : given;
  if (compression !== "none" && compression !== "gzip" && compression !== "zstd")
    throw new PlyError("unsupported", `unsupported layer compression type: ${given}`, {
      hint: "there are uncompressed, gzip and zstd",
    });
  if (level !== undefined && !/^\d{1,2}$/.test(level))
    throw new PlyError("invalid", `non-integer value ${level} specified for compression-level`);
  return {
    compression,
    force: truth(exporter, "force-compression", false),
    ...(level === undefined ? {} : { level: Number(level) }),
  };
}

/** `annotation.KEY`, `annotation-index.KEY`, `annotation-manifest[linux/amd64].KEY` of an exporter. */
export function annotationsOf({ attributes }: Typed): PlyBuildAnnotation[] {
  return [...attributes].flatMap(([name, value]) => {
    const match = /^annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_./-]+)\])?\.(.+)$/.exec(name);
    if (match === null) return [];
    const [, place = "manifest", platform, key = ""] = match;
    if (!PLACES.includes(place)) throw new PlyError("invalid", `unknown annotation type ${place}`);
    return [
      {
        place: place as PlyBuildAnnotation["place"],
        key,
        value,
        ...(platform === undefined ? {} : { platform }),
      },
    ];
  });
}

/** A truth value; one that is there without a text is true. */
function truth({ type, attributes }: Typed, name: string, fallback: boolean): boolean {
  const text = attributes.get(name);
  if (text === undefined) return fallback;
  const value = text === "" ? true : parseBoolean(text);
  if (value === undefined)
    throw new PlyError("invalid", `non-bool value ${JSON.stringify(text)} specified for ${name} of ${type}`);
  return value;
}
