import type { PlyBuildAnnotation } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";
import type { OutputSpec } from "./output-spec.ts";

const PLACES: readonly string[] = ["manifest", "index", "manifest-descriptor", "index-descriptor"];
const PLACE = /^([a-z-]+)(?:\[([A-Za-z0-9_./-]+)\])?$/;

/** `[TYPE[[PLATFORM]][,TYPE…]:]KEY=VALUE`. Throws UsageError in buildx's words. */
export function parseAnnotation(text: string): PlyBuildAnnotation[] {
  const match = /^(?:([a-z-]+(?:\[[^\]]*\])?(?:,[a-z-]+(?:\[[^\]]*\])?)*):)?([^=]+)=(.*)$/s.exec(text);
  if (match === null) throw new UsageError(`invalid annotation ${JSON.stringify(text)}, expected key=value`);
  const [, places = "manifest", key = "", value = ""] = match;
  return places.split(",").map((place) => ({ ...parsePlace(place), key, value }));
}

/** `annotation.KEY`, `annotation-index.KEY`, `annotation[linux/amd64].KEY` of an output. */
export function annotationsOfSpec({ attributes }: OutputSpec): PlyBuildAnnotation[] {
  return [...attributes].flatMap(([name, value]) => {
    const match = /^annotation(?:-([a-z-]+))?(\[[^\]]*\])?\.(.+)$/.exec(name);
    if (match === null) {
      if (name.startsWith("annotation")) throw new UsageError(`--output: invalid annotation ${name}`);
      return [];
    }
    const [, place = "manifest", platform = "", key = ""] = match;
    return [{ ...parsePlace(place + platform), key, value }];
  });
}

function parsePlace(text: string): Pick<PlyBuildAnnotation, "place" | "platform"> {
  const [, place = "", platform] = PLACE.exec(text) ?? [];
  if (!PLACES.includes(place)) throw new UsageError(`unknown annotation type ${JSON.stringify(text)}`);
  return {
    place: place as PlyBuildAnnotation["place"],
    ...(platform === undefined ? {} : { platform }),
  };
}
