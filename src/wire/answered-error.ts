import { ERROR_KINDS, type ErrorKind, PlyError } from "../error.ts";
import type { ErrorBody } from "./ply.ts";

/** The HTTP status of an answer that is an error of that kind. */
export const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  "not-found": 404,
  exists: 409,
  conflict: 409,
  denied: 403,
  unavailable: 503,
  corrupt: 500,
  unsupported: 501,
  limit: 413,
  // The client is gone, as a rule; one that is still there may try again.
  cancelled: 503,
  internal: 500,
};

const KINDS: Readonly<Record<number, ErrorKind>> = {
  400: "invalid",
  401: "denied",
  403: "denied",
  404: "not-found",
  409: "conflict",
  499: "cancelled",
  501: "unsupported",
  503: "unavailable",
};

/**
 * The error an engine answered with, of the kind it names, else of its status (0: it came in a stream that had begun
 * well). `details.status` is the HTTP status, there the one that it would have been.
 */
export function answeredError(
  status: number,
  body: Omit<ErrorBody, "kind"> & { readonly kind?: string },
): PlyError {
  const named = ERROR_KINDS.find((kind) => kind === body.kind);
  const kind = named ?? KINDS[status] ?? "internal";
  return new PlyError(kind, body.message, {
    ...(typeof body.hint === "string" && body.hint !== "" ? { hint: body.hint } : {}),
    details: { status: status === 0 ? STATUS_OF_KIND[kind] : status },
  });
}
