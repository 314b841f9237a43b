export * from "./address.ts";
export { connect } from "./connect.ts";
export type { Connection } from "./connection.ts";
export * from "./engine-client.ts";
export * from "./open.ts";
export { TLS_FLAGS, type TlsFiles, type TlsFlags, tlsFiles } from "./tls.ts";
