import { type ErrorKind, isPlyError, messageOf } from "../error.ts";
import type { ErrorBody } from "../wire/index.ts";

const STATUS: Readonly<Record<ErrorKind, number>> = {
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

/** The HTTP status that a failure is answered with; `details.httpStatus` of an error of this room overrides. */
export function statusOf(error: unknown): number {
  if (!isPlyError(error)) return 500;
  const own = error.details["httpStatus"];
  return typeof own === "number" ? own : STATUS[error.kind];
}

/** What a client reads: Docker's `message`, and ours. */
export function errorBody(error: unknown): ErrorBody {
  if (!isPlyError(error)) return { message: messageOf(error) };
  return {
    message: error.message,
    kind: error.kind,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}
