export * from "./address.ts";
export { type Connection, connect } from "./connection.ts";
export * from "./engine-client.ts";
export * from "./open.ts";
