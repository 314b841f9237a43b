/** ply in a TypeScript program: an engine of its own, or a session on one that runs; a typed client of either. */
export { type ErrorKind, isPlyError, PlyError } from "../error.ts";
export type * from "../wire/index.ts";
export type { FileContents } from "./archive.ts";
export type { Build, BuildWarning } from "./build/build.ts";
export { BuildError } from "./build/build-error.ts";
export type * from "./build/cache.ts";
export type * from "./build/options.ts";
export * from "./client.ts";
export { type ConnectOptions, connectEngine, type EngineSession } from "./connect-engine.ts";
export type * from "./container.ts";
export type * from "./containers.ts";
export { type Bytes, createHttp, type EngineHttp, type EngineLocation, type RequestOptions } from "./http.ts";
export type * from "./images.ts";
export type { Output, PrintedText } from "./output.ts";
export { type OwnEngine, type StartOptions, startEngine } from "./start-engine.ts";
