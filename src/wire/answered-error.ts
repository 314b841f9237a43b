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

/** The same of an answer's body as text: not every server on a socket speaks JSON, and its text is all there is to tell. */
export function answeredText(
  { status, reason }: { readonly status: number; readonly reason: string },
  text: string,
): PlyError {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (typeof body === "object" && body !== null && "message" in body && typeof body.message === "string")
    return answeredError(status, body as { message: string });
  return answeredError(status, {
    message: text.trim() === "" ? `the engine answered ${status} ${reason}` : text.trim(),
  });
}

/** Answers read whole (JSON, errors) are at most this long. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** An answer's body as text. Throws "limit" for one without end. */
export async function wholeAnswer(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new PlyError("limit", `the engine's answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
