import { int32, message, method, type ServedMethod, serveOne } from "../../../grpc/index.ts";
import { empty } from "./control-messages.ts";

const SERVING = 1;

/** `grpc.health.v1.Health`: clients keep a connection as long as it says so. */
export function healthService(): ServedMethod[] {
  const response = message({ status: int32(1) });
  return [serveOne(method("/grpc.health.v1.Health/Check", empty, response), () => ({ status: SERVING }))];
}
