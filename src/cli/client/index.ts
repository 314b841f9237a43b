export * from "./address.ts";
export { type Connection, connect } from "./connection.ts";
export * from "./engine-client.ts";
export * from "./open.ts";
export { TLS_FLAGS, type TlsFiles, type TlsFlags, tlsFiles } from "./tls.ts";
