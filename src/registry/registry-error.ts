import { type ErrorKind, PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";
import { MAX_RETRY_AFTER_MS, parseRetryAfter } from "./backoff.ts";
import type { TransportResponse } from "./transport.ts";

/** What is read of an error's body, and what of it is shown. Bytes, characters. */
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_SHOWN = 500;
const MAX_ERRORS = 5;

const TRANSIENT: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** Codes of the distribution spec (and Docker's older ones); the status decides for the rest. */
const KINDS: Readonly<Record<string, ErrorKind>> = {
  BLOB_UNKNOWN: "not-found",
  MANIFEST_UNKNOWN: "not-found",
  MANIFEST_BLOB_UNKNOWN: "not-found",
  NAME_UNKNOWN: "not-found",
  TAG_UNKNOWN: "not-found",
  UNAUTHORIZED: "denied",
  DENIED: "denied",
  BLOB_UPLOAD_UNKNOWN: "conflict",
  BLOB_UPLOAD_INVALID: "conflict",
  DIGEST_INVALID: "corrupt",
  SIZE_INVALID: "corrupt",
  MANIFEST_INVALID: "invalid",
  MANIFEST_UNVERIFIED: "invalid",
  NAME_INVALID: "invalid",
  TAG_INVALID: "invalid",
  UNSUPPORTED: "unsupported",
  TOOMANYREQUESTS: "unavailable",
  UNAVAILABLE: "unavailable",
};

const STATUS_KINDS: Readonly<Record<number, ErrorKind>> = {
  400: "invalid",
  401: "denied",
  403: "denied",
  404: "not-found",
  405: "unsupported",
  409: "conflict",
  413: "limit",
  415: "unsupported",
  416: "conflict",
  501: "unsupported",
};

/** Where an error comes from, for its text and hint. */
export interface ErrorContext {
  /** What was asked: `manifest ghcr.io/o/app:1`. */
  readonly what: string;
  /** What to log in to. */
  readonly credentialsHost: string;
}

/**
 * The PlyError for an answer that is none of those hoped for; reads its body. The message ends in the
 * registry's own words in Docker's form (`manifest unknown: …`), which `details.registryMessage` has alone.
 * details: status, code (the registry's first), host; transient and retryAfterMs for the retries.
 */
export async function registryError(
  response: TransportResponse,
  { what, credentialsHost }: ErrorContext,
): Promise<PlyError> {
  const { status } = response;
  const errors = await readErrors(response);
  const code = errors[0]?.code ?? "";
  const isHtml = /html/i.test(response.header("content-type") ?? "");
  const registryMessage =
    errors.map(({ text }) => text).join("; ") ||
    (isHtml
      ? `${response.url.host} answered ${status} with a web page: it may be no registry`
      : `${response.url.host} answered ${describeStatus(status)}`);
  const kind =
    (Object.hasOwn(KINDS, code) ? KINDS[code] : undefined) ??
    STATUS_KINDS[status] ??
    (status >= 500 || TRANSIENT.has(status) ? "unavailable" : "invalid");
  const retryAfterMs = parseRetryAfter(response.header("retry-after"), Date.now());
  const isTransient = TRANSIENT.has(status) && (retryAfterMs ?? 0) <= MAX_RETRY_AFTER_MS;
  const hint = hintFor({ status, kind, retryAfterMs, isTransient, credentialsHost });
  return new PlyError(kind, `${what}: ${registryMessage}`, {
    ...(hint === undefined ? {} : { hint }),
    details: {
      status,
      host: response.url.host,
      registryMessage,
      ...(code === "" ? {} : { code }),
      ...(isTransient ? { transient: true } : {}),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  });
}

/** The URL without query and fragment, which may carry signatures. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** One line of what somebody else wrote: no control characters, not too long. */
export function cleanText(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ").trim();
  return line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)}…` : line;
}

async function readErrors(response: TransportResponse): Promise<{ code: string; text: string }[]> {
  let document: unknown;
  try {
    const bytes = await response.read(MAX_ERROR_BYTES, "the error");
    document = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // An error page that is broken, huge or no JSON: the status says what there is to say.
    return [];
  }
  const list = isObject(document) && Array.isArray(document["errors"]) ? document["errors"] : [];
  const errors = list.slice(0, MAX_ERRORS).filter(isObject).map(readError);
  if (errors.length > 0 || !isObject(document)) return errors;
  // Token services and proxies have their own forms.
  const text = [
    document["details"],
    document["message"],
    document["error_description"],
    document["error"],
  ].find((value) => typeof value === "string");
  return typeof text === "string" ? [{ code: "", text: cleanText(text) }] : [];
}

function readError(error: Readonly<Record<string, unknown>>): { code: string; text: string } {
  const code = typeof error["code"] === "string" ? error["code"].slice(0, 100) : "UNKNOWN";
  const message = typeof error["message"] === "string" ? error["message"] : "";
  const words = code.toLowerCase().replaceAll("_", " ");
  return { code, text: cleanText(message === "" ? words : `${words}: ${message}`) };
}

function hintFor(about: {
  readonly status: number;
  readonly kind: ErrorKind;
  readonly retryAfterMs: number | undefined;
  readonly isTransient: boolean;
  readonly credentialsHost: string;
}): string | undefined {
  if (about.status === 429)
    return about.retryAfterMs !== undefined && !about.isTransient
      ? `the registry asks to wait ${Math.ceil(about.retryAfterMs / 1000)} s; ply login ${about.credentialsHost} may raise the limit`
      : `ply login ${about.credentialsHost} may raise the limit`;
  if (about.kind === "denied") return `ply login ${about.credentialsHost}`;
  return undefined;
}

function describeStatus(status: number): string {
  const known: Readonly<Record<number, string>> = {
    401: "401 (unauthorized)",
    403: "403 (forbidden)",
    404: "404 (not found)",
    429: "429 (too many requests)",
    500: "500 (internal error)",
    502: "502 (bad gateway)",
    503: "503 (unavailable)",
    504: "504 (gateway timeout)",
  };
  return known[status] ?? `with status ${status}`;
}
