import { PlyError } from "../error.ts";
import { parseDigest } from "./digest.ts";
import {
  asArray,
  asObject,
  asSize,
  asString,
  asStringMap,
  asStrings,
  isAbsent,
  type JsonObject,
  parseJsonObject,
} from "./json.ts";
import { MAX_DESCRIPTOR_URLS, MAX_INDEX_ENTRIES, MAX_LAYERS, MAX_MANIFEST_BYTES } from "./limits.ts";
import { type Descriptor, type Index, type Manifest, MEDIA_TYPE, type Platform } from "./manifest.ts";

/**
 * A manifest after validation. `mediaType` is what it is stored and pushed as. "artifact": an OCI manifest
 * whose config is no image's (a chart, a signature, an SBOM): kept and passed on, never run.
 */
export type ParsedManifest =
  | { readonly kind: "image"; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: "artifact"; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: "index"; readonly mediaType: string; readonly index: Index };

const IMAGE_TYPES: readonly string[] = [MEDIA_TYPE.ociManifest, MEDIA_TYPE.dockerManifest];
const INDEX_TYPES: readonly string[] = [MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerManifestList];
/** `application/json` is what very old registries call their schema 1 manifests too; the body tells. */
const SCHEMA1_TYPES: readonly string[] = [MEDIA_TYPE.dockerSchema1, MEDIA_TYPE.dockerSchema1Signed];
const CONFIG_TYPES: readonly string[] = [MEDIA_TYPE.ociConfig, MEDIA_TYPE.dockerConfig];
/** What some early pushes to Docker's registries called the config; the peers take them as images. */
const LOOSE_DOCKER_CONFIG_TYPES: readonly string[] = ["application/octet-stream", ""];

/** Every manifest type ply reads, in the order of preference of an Accept header. */
export const MANIFEST_TYPES: readonly string[] = [...INDEX_TYPES, ...IMAGE_TYPES];

function isIndexType(mediaType: string): boolean {
  return INDEX_TYPES.includes(mediaType);
}

/** True for manifests and indexes, of OCI and of Docker. */
export function isManifestType(mediaType: string): boolean {
  return MANIFEST_TYPES.includes(mediaType);
}

/** True for what registries have of the years before 2016, which is refused. */
export function isSchema1Type(mediaType: string): boolean {
  return SCHEMA1_TYPES.includes(mediaType);
}

/** True for the config of something that can run. */
function isImageConfigType(mediaType: string): boolean {
  return CONFIG_TYPES.includes(mediaType);
}

/**
 * Reads a manifest or index of OCI or Docker schema 2. `mediaType` is how it was announced (Content-Type, a
 * descriptor): one that says nothing (absent, `application/json`) is overruled by the body. Unknown fields stay
 * on the returned values. Throws invalid, limit, and unsupported for schema 1.
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string): ParsedManifest {
  if (mediaType !== undefined && isSchema1Type(mediaType)) throw schema1();
  const document = parseJsonObject(bytes, "manifest", MAX_MANIFEST_BYTES);
  if (document["schemaVersion"] === 1) throw schema1();
  if (document["schemaVersion"] !== 2)
    throw new PlyError(
      "invalid",
      `the manifest has schemaVersion ${JSON.stringify(document["schemaVersion"])?.slice(0, 40) ?? "missing"}, not 2`,
    );
  const type = typeOf(document, mediaType);
  if (isIndexType(type)) return { kind: "index", mediaType: type, index: readIndex(document) };
  const manifest = readManifest(document);
  const isImage =
    isImageConfigType(manifest.config.mediaType) ||
    (type === MEDIA_TYPE.dockerManifest && LOOSE_DOCKER_CONFIG_TYPES.includes(manifest.config.mediaType));
  return { kind: isImage ? "image" : "artifact", mediaType: type, manifest };
}

/** The body's own type counts first: the digest covers it. Both kinds of content at once is an attack (CVE-2021-41190). */
function typeOf(document: JsonObject, announced: string | undefined): string {
  const own = document["mediaType"];
  const isIndex = document["manifests"] !== undefined;
  const isManifest = document["layers"] !== undefined || document["config"] !== undefined;
  if (isIndex && isManifest)
    throw new PlyError("invalid", "the manifest is ambiguous: it has both manifests and layers or a config");
  if (own !== undefined && own !== "") {
    const type = asString(own, "manifest.mediaType");
    if (!isManifestType(type))
      throw new PlyError("unsupported", `unsupported manifest type ${JSON.stringify(type.slice(0, 200))}`);
    if (announced !== undefined && isManifestType(announced) && isIndexType(announced) !== isIndexType(type))
      throw new PlyError("invalid", `the manifest says it is ${type}, but it was announced as ${announced}`);
    if (isIndexType(type) ? isManifest : isIndex)
      throw new PlyError("invalid", `the manifest says it is ${type}, but its fields say otherwise`);
    return type;
  }
  if (announced !== undefined && isManifestType(announced)) {
    if (isIndexType(announced) ? isManifest : isIndex)
      throw new PlyError(
        "invalid",
        `the manifest was announced as ${announced}, but its fields say otherwise`,
      );
    return announced;
  }
  return isIndex ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest;
}

function readManifest(document: JsonObject): Manifest {
  const layers = asArray(document["layers"], "manifest.layers", MAX_LAYERS).map((layer, i) =>
    readDescriptor(layer, `manifest.layers[${i}]`),
  );
  const config = readDescriptor(document["config"], "manifest.config");
  return { ...(readCommon(document) as JsonObject), schemaVersion: 2, config, layers };
}

function readIndex(document: JsonObject): Index {
  const manifests = asArray(document["manifests"], "index.manifests", MAX_INDEX_ENTRIES).map((entry, i) =>
    readDescriptor(entry, `index.manifests[${i}]`),
  );
  return { ...(readCommon(document) as JsonObject), schemaVersion: 2, manifests };
}

/** The fields both kinds share; the rest as it is. */
function readCommon(document: JsonObject): JsonObject {
  const { subject, annotations, artifactType, mediaType, ...rest } = document;
  return {
    ...rest,
    ...(mediaType === undefined || mediaType === "" ? {} : { mediaType }),
    ...(isAbsent(artifactType) ? {} : { artifactType: asString(artifactType, "manifest.artifactType") }),
    ...(isAbsent(subject) ? {} : { subject: readDescriptor(subject, "manifest.subject") }),
    ...(isAbsent(annotations) ? {} : { annotations: asStringMap(annotations, "manifest.annotations") }),
  };
}

/** Validates a descriptor; `at` names its place in errors. */
function readDescriptor(value: unknown, at: string): Descriptor {
  const object = asObject(value, at);
  const { mediaType, digest, size, urls, annotations, platform, artifactType, data, ...rest } = object;
  return {
    ...rest,
    // Absent in what some early tools wrote for Docker's config; checked where it matters.
    mediaType: isAbsent(mediaType) ? "" : asString(mediaType, `${at}.mediaType`),
    digest: readDigest(digest, `${at}.digest`),
    size: asSize(size, `${at}.size`),
    ...(isAbsent(urls) ? {} : { urls: asStrings(urls, `${at}.urls`, MAX_DESCRIPTOR_URLS) }),
    ...(isAbsent(annotations) ? {} : { annotations: asStringMap(annotations, `${at}.annotations`) }),
    ...(isAbsent(platform) ? {} : { platform: readPlatform(platform, `${at}.platform`) }),
    ...(isAbsent(artifactType) ? {} : { artifactType: asString(artifactType, `${at}.artifactType`) }),
    ...(isAbsent(data) ? {} : { data: asString(data, `${at}.data`) }),
  };
}

function readPlatform(value: unknown, at: string): Platform {
  const object = asObject(value, at);
  for (const field of ["variant", "os.version"])
    if (object[field] !== undefined) asString(object[field], `${at}.${field}`);
  const { "os.features": features, ...rest } = object;
  return {
    ...rest,
    os: asString(object["os"], `${at}.os`),
    architecture: asString(object["architecture"], `${at}.architecture`),
    ...(isAbsent(features) ? {} : { "os.features": asStrings(features, `${at}.os.features`, 1000) }),
  };
}

export function readDigest(value: unknown, at: string): ReturnType<typeof parseDigest> {
  const text = asString(value, at);
  try {
    return parseDigest(text.slice(0, 300));
  } catch (cause) {
    if (cause instanceof PlyError) throw new PlyError(cause.kind, `${at}: ${cause.message}`, { cause });
    throw cause;
  }
}

function schema1(): PlyError {
  return new PlyError("unsupported", "Docker image format v1 (manifest schema 1) is no longer supported", {
    hint: "push the image again with Docker 1.10 or newer, or convert it with skopeo copy --format v2s2",
  });
}
