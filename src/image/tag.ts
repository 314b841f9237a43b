import { PlyError } from "../error.ts";
import {
  canonicalString,
  familiarName,
  familiarString,
  type Reference,
  withDefaultTag,
} from "../oci/index.ts";
import { emitImageEvent, type ImageContext } from "./context.ts";
import { resolveImage } from "./resolve.ts";

/** `sha256:12ab` must stay an image's id. */
const ALGORITHMS: ReadonlySet<string> = new Set(["sha256", "sha384", "sha512"]);

/** Gives an image one more name; the image that had it loses it. Throws "invalid" for a reference with a digest. */
export async function tagImage(context: ImageContext, source: string, target: Reference): Promise<void> {
  const { record } = resolveImage(context, source);
  const name = tagName(target);
  context.store.images.tag(canonicalString(name), record.id);
  await emitImageEvent(context, "tag", { id: record.id, name: familiarString(name), image: record });
}

/** The reference under which an image can be named: with a tag, without a digest. */
export function tagName(target: Reference): Reference {
  if (target.digest !== undefined)
    throw new PlyError("invalid", "refusing to create a tag with a digest reference");
  if (ALGORITHMS.has(familiarName(target)))
    throw new PlyError("invalid", "refusing to create an ambiguous tag using digest algorithm as name");
  return withDefaultTag(target);
}
