export { askAbout, type BuildCall } from "./ask.ts";
export { cacheDirectory } from "./cache-directory.ts";
export {
  DOCKERFILES,
  findDirectory,
  isAddress,
  isLocal,
  type LocalDirectory,
  type LocalFiles,
  localDirectory,
  memberOf,
  namedContext,
  type PreparedBuild,
  type PreparedContext,
  readDockerfile,
  readRules,
  usualDockerfile,
} from "./context.ts";
export { type Built, type Failed, follow } from "./follow.ts";
export { mergeLayout, NEW_INDEX } from "./oci-layout.ts";
export { type ContextPath, walkContext } from "./pack-contexts.ts";
export { type BuildDoor, type BuildRequestFields, sendBuild } from "./send.ts";
