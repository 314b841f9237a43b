import { posix } from "node:path";
import { messageOf, PlyError } from "../error.ts";
import {
  asArray,
  asObject,
  asString,
  asStrings,
  type DiffId,
  digestOf,
  type ImageId,
  MAX_LAYERS,
  parseImageConfig,
  parseImageId,
  parseReference,
  withDefaultTag,
} from "../oci/index.ts";
import type { ArchiveContents } from "./archive-contents.ts";
import type { ImageContext } from "./context.ts";
import { checkLayers, type LoadPlan } from "./load-plan.ts";

const MAX_IMAGES = 10_000;

/**
 * The images of a docker-archive (`manifest.json`: Docker 1.10 and newer, podman, skopeo). The older format without it is
 * refused.
 */
export function planDockerArchive(
  context: ImageContext,
  contents: ArchiveContents,
  options: { readonly manifest: Uint8Array; readonly keep: (diffId: DiffId) => void },
): LoadPlan[] {
  let list: unknown;
  try {
    list = JSON.parse(Buffer.from(options.manifest).toString("utf8"));
  } catch (cause) {
    throw new PlyError("invalid", `manifest.json in the archive is not JSON: ${messageOf(cause)}`, { cause });
  }
  return asArray(list, "manifest.json", MAX_IMAGES).map((value, index) => {
    const at = `manifest.json[${index}]`;
    const entry = asObject(value, at);
    const configPath = asString(entry["Config"], `${at}.Config`);
    const configBytes = contents.document(configPath);
    if (configBytes === undefined)
      throw new PlyError(
        "invalid",
        `the archive has no member ${JSON.stringify(configPath)}, which manifest.json names`,
      );
    const id = digestOf(configBytes) as ImageId;
    checkName(configPath, id);
    const config = parseImageConfig(configBytes);
    checkLayers(context, contents, {
      config,
      members: asStrings(entry["Layers"], `${at}.Layers`, MAX_LAYERS),
      namedBy: "manifest.json",
      keep: options.keep,
    });
    const names = asStrings(entry["RepoTags"], `${at}.RepoTags`).map((name) =>
      withDefaultTag(parseReference(name)),
    );
    const parent = entry["Parent"];
    return {
      id,
      config,
      configBytes,
      names,
      manifests: [],
      ...(typeof parent === "string" && parent !== "" ? { parentId: parseImageId(parent) } : {}),
    };
  });
}

/** `HEX.json` and `blobs/sha256/HEX` promise a digest. */
function checkName(path: string, id: ImageId): void {
  const hex = /^([0-9a-f]{64})(\.json)?$/.exec(posix.basename(path))?.[1];
  if (hex !== undefined && id !== `sha256:${hex}`)
    throw new PlyError("corrupt", `${path} in the archive has the digest ${id}: it was changed`);
}
