import { bool, bytes, int64, map, message, nested, type Read, repeated, text } from "../../../grpc/index.ts";
import { rpcStatus, typed, workerRecord } from "./control-messages.ts";
import { definition } from "./op-messages.ts";

/** `moby.buildkit.v1.frontend.LLBBridge` (`frontend/gateway/pb/gateway.proto`), as far as clients that build use it. */

const cap = message({ id: text(1), enabled: bool(2) });

export const pongResponse = message({
  frontendCaps: repeated(nested(1, cap)),
  llbCaps: repeated(nested(2, cap)),
  workers: repeated(nested(3, workerRecord)),
});

export const gatewaySolveRequest = message({
  definition: nested(1, definition),
  frontend: text(2),
  options: map(3, text, text),
  cacheImports: repeated(nested(12, typed)),
  inputs: map(13, text, (number) => nested(number, definition)),
});
export type GatewaySolveRequest = Read<typeof gatewaySolveRequest>;

const ref = message({ id: text(1), definition: nested(2, definition) });
const refs = message({ refs: map(1, text, (number) => nested(number, ref)) });

const result = message({
  ref: nested(3, ref),
  refs: nested(4, refs),
  metadata: map(10, text, bytes),
});

export const gatewaySolveResponse = message({ result: nested(3, result) });

export const returnRequest = message({ result: nested(1, result), error: nested(2, rpcStatus) });

/** `Evaluate`, `StatFile`, `ReadFile` and `ReadDir` begin with what they are about. */
export const refRequest = message({ ref: text(1), path: text(2) });

const stat = message({ path: text(1), mode: int64(2), size: int64(5) });
export const statFileResponse = message({ stat: nested(1, stat) });

export const inputsResponse = message({ definitions: map(1, text, (number) => nested(number, definition)) });
