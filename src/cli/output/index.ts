export * from "./duration.ts";
export * from "./listing.ts";
export * from "./output.ts";
export * from "./print.ts";
export * from "./size.ts";
export * from "./table.ts";
export * from "./time.ts";
export * from "./width.ts";
