import { isPlyError, messageOf } from "../error.ts";
import { type ErrorBody, STATUS_OF_KIND } from "../wire/index.ts";

/** The HTTP status that a failure is answered with; `details.httpStatus` of an error of this room overrides. */
export function statusOf(error: unknown): number {
  if (!isPlyError(error)) return 500;
  const own = error.details["httpStatus"];
  return typeof own === "number" ? own : STATUS_OF_KIND[error.kind];
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
