export * from "./config.ts";
export * from "./digest.ts";
export * from "./manifest.ts";
export * from "./reference.ts";
