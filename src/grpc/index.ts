export { type CallOptions, connectGrpc, type GrpcConnection } from "./connect.ts";
export { MAX_MESSAGE_BYTES } from "./frame.ts";
export {
  bigint64,
  bool,
  bytes,
  double,
  type Field,
  float,
  type Given,
  int32,
  int64,
  type Message,
  map,
  message,
  nested,
  optional,
  type Read,
  repeated,
  text,
  uint32,
} from "./message.ts";
export type { Metadata } from "./metadata.ts";
export { type CallContext, just, type Method, method, type ServedMethod, serve, serveOne } from "./method.ts";
export { serveGrpc } from "./serve.ts";
export { errorOfStatus, type GrpcStatus, statusOfError } from "./status.ts";
