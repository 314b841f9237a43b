export * from "./config.ts";
export * from "./digest.ts";
export {
  asArray,
  asObject,
  asSize,
  asString,
  asStringMap,
  asStrings,
  encodeJson,
  isObject,
  type JsonObject,
  parseJsonObject,
} from "./json.ts";
export * from "./limits.ts";
export * from "./manifest.ts";
export { parseImageConfig } from "./parse-config.ts";
export {
  isManifestType,
  isSchema1Type,
  MANIFEST_TYPES,
  type ParsedManifest,
  parseManifest,
} from "./parse-manifest.ts";
export { familiarMatch, matchPath } from "./path-match.ts";
export { formatPlatform, hostPlatform, normalizePlatform, parsePlatform } from "./platform.ts";
export * from "./reference.ts";
export { acceptedPlatforms, isAttestation, offeredPlatforms, selectManifest } from "./select-manifest.ts";
