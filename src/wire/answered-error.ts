import { ERROR_KINDS, type ErrorKind, PlyError } from "../error.ts";
import type { ErrorBody } from "./ply.ts";

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

/** The error an engine answered with, of the kind it names, else of its status. `details.status` is the HTTP status. */
export function answeredError(
  status: number,
  body: Omit<ErrorBody, "kind"> & { readonly kind?: string },
): PlyError {
  const named = ERROR_KINDS.find((kind) => kind === body.kind);
  return new PlyError(named ?? KINDS[status] ?? "internal", body.message, {
    ...(typeof body.hint === "string" && body.hint !== "" ? { hint: body.hint } : {}),
    details: { status },
  });
}
