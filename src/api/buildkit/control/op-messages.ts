import { bool, bytes, int32, int64, map, message, nested, repeated, text } from "../../../grpc/index.ts";

/** What BuildKit's services share: platforms, graphs of operations, places in sources (`solver/pb/ops.proto`). */

export const timestamp = message({ seconds: int64(1), nanos: int32(2) });

export const platform = message({
  architecture: text(1),
  os: text(2),
  variant: text(3),
});

export const sourceOp = message({ identifier: text(1), attributes: map(2, text, text) });

const input = message({ digest: text(1), index: int64(2) });

/** Of all operations only sources are told apart: those are the ones this engine makes up itself. */
export const op = message({
  inputs: repeated(nested(1, input)),
  source: nested(3, sourceOp),
  platform: nested(10, platform),
});

const opMetadata = message({ caps: map(5, text, bool) });

export const definition = message({
  ops: repeated(bytes(1)),
  metadata: map(2, text, (number) => nested(number, opMetadata)),
});

const position = message({ line: int32(1), character: int32(2) });

export const range = message({ start: nested(1, position), end: nested(2, position) });

export const sourceInfo = message({ filename: text(1), data: bytes(2), language: text(4) });
