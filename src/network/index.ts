export type * from "./attachment.ts";
export type * from "./name-server.ts";
export type * from "./networks.ts";
export type * from "./port.ts";
