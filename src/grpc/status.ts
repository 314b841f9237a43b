import { type ErrorKind, messageOf, PlyError } from "../error.ts";

/** Numbers of gRPC's statuses (grpc/grpc, doc/statuscodes.md). */
export const GRPC_OK = 0;

const CODE_OF: Readonly<Record<ErrorKind, number>> = {
  cancelled: 1,
  invalid: 3,
  "not-found": 5,
  exists: 6,
  denied: 7,
  limit: 8,
  conflict: 9,
  unsupported: 12,
  internal: 13,
  unavailable: 14,
  corrupt: 15,
};

/** Where several codes are one kind. What the other side says without a code, it says of what it was asked. */
const KIND_OF: Readonly<Record<number, ErrorKind>> = {
  2: "invalid",
  4: "unavailable",
  10: "conflict",
  11: "limit",
  16: "denied",
  ...Object.fromEntries(Object.entries(CODE_OF).map(([kind, code]) => [code, kind as ErrorKind])),
};

export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
  /** An encoded `google.rpc.Status`. */
  readonly details?: Uint8Array;
}

/** Where errors keep what goes with their status: `details` of a `PlyError`. */
const CODE_KEY = "grpcCode";
const DETAILS_KEY = "grpcStatusDetails";

/** What an error says to the other side. A bug of ours keeps its words to itself. */
export function statusOfError(error: unknown): GrpcStatus {
  if (!(error instanceof PlyError)) return { code: CODE_OF.internal, message: messageOf(error) };
  const code = error.details[CODE_KEY];
  const details = error.details[DETAILS_KEY];
  return {
    code: typeof code === "number" ? code : CODE_OF[error.kind],
    message: error.hint === undefined ? error.message : `${error.message}: ${error.hint}`,
    ...(details instanceof Uint8Array ? { details } : {}),
  };
}

/** A status as an error: `grpcCode` and `grpcStatusDetails` are among its details, and go out again with it. */
export function errorOfStatus({ code, message, details }: GrpcStatus): PlyError {
  return new PlyError(KIND_OF[code] ?? "internal", message === "" ? `status ${code}` : message, {
    details: { [CODE_KEY]: code, ...(details === undefined ? {} : { [DETAILS_KEY]: details }) },
  });
}

/** As trailers. */
export function formatStatus({ code, message, details }: GrpcStatus): Record<string, string> {
  return {
    "grpc-status": String(code),
    ...(message === "" ? {} : { "grpc-message": percentEncode(message) }),
    ...(details === undefined
      ? {}
      : { "grpc-status-details-bin": Buffer.from(details).toString("base64").replace(/=+$/, "") }),
  };
}

/** Undefined where there is no status. */
export function parseStatus(headers: Readonly<Record<string, unknown>>): GrpcStatus | undefined {
  const code = headers["grpc-status"];
  if (code === undefined) return undefined;
  const message = headers["grpc-message"];
  const details = headers["grpc-status-details-bin"];
  return {
    code: /^\d{1,3}$/.test(String(code)) ? Number(code) : 2,
    message: typeof message === "string" ? percentDecode(message) : "",
    ...(typeof details === "string" ? { details: Buffer.from(details, "base64") } : {}),
  };
}

/** Far below what any peer takes as headers; the rest of the words is not worth a call. */
const MESSAGE_BYTES = 16 * 1024;

/** Percent-Encoded of gRPC over HTTP/2: bytes of UTF-8 but for printable ASCII without `%`. */
function percentEncode(words: string): string {
  const bytes = Buffer.from(words).subarray(0, MESSAGE_BYTES);
  let encoded = "";
  for (const byte of bytes)
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return encoded;
}

/** What is no proper escape stays as it is. */
function percentDecode(encoded: string): string {
  const bytes = Buffer.alloc(Buffer.byteLength(encoded));
  let length = 0;
  for (const [part] of encoded.matchAll(/%[0-9a-fA-F]{2}|[^%]+|%/g))
    length +=
      part.length === 3 && part.startsWith("%")
        ? bytes.writeUInt8(Number.parseInt(part.slice(1), 16), length) - length
        : bytes.write(part, length);
  return bytes.toString("utf8", 0, length);
}
