import { PlyError } from "../error.ts";
import { shownUrl } from "./registry-error.ts";
import type { RequestBody, Transport, TransportResponse } from "./transport.ts";

/** As curl and the peers do, or fewer. */
const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface RedirectableRequest {
  readonly method: string;
  readonly url: URL;
  /** Sent everywhere: nothing secret. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sent to the first URL's scheme, host and port only, and not again once a redirect has left it. */
  readonly authorization?: string | undefined;
  readonly body?: RequestBody | undefined;
  readonly verifiesTls: (host: string) => boolean;
  readonly answerTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a request and follows its redirects: GET and HEAD all of them, others only 307 and 308, which keep
 * method and body. Throws "invalid" for one from HTTPS to plain HTTP, for too many and for a bad one.
 */
export async function followRedirects(
  transport: Transport,
  request: RedirectableRequest,
): Promise<TransportResponse> {
  const { method, body, answerTimeoutMs, signal } = request;
  let { url, authorization } = request;
  for (let hops = 0; ; hops++) {
    const response = await transport.send({
      method,
      url,
      headers: {
        ...request.headers,
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
      verifiesTls: request.verifiesTls(url.host),
      ...(body === undefined ? {} : { body }),
      ...(answerTimeoutMs === undefined ? {} : { answerTimeoutMs }),
      signal,
    });
    const location = response.header("location");
    const keepsMethod = response.status === 307 || response.status === 308;
    const isRead = method === "GET" || method === "HEAD";
    if (!REDIRECTS.has(response.status) || location === undefined || !(isRead || keepsMethod))
      return response;
    response.discard();
    if (hops === MAX_REDIRECTS)
      throw new PlyError(
        "invalid",
        `${shownUrl(request.url)} leads through more than ${MAX_REDIRECTS} redirects`,
      );
    const next = nextUrl(location, url);
    if (next.origin !== url.origin) authorization = undefined;
    url = next;
  }
}

function nextUrl(location: string, from: URL): URL {
  let next: URL;
  try {
    next = new URL(location, from);
  } catch (cause) {
    throw new PlyError("invalid", `${shownUrl(from)} redirects to what is no URL`, { cause });
  }
  if (next.protocol !== "https:" && next.protocol !== "http:")
    throw new PlyError("invalid", `${shownUrl(from)} redirects to a ${next.protocol} URL`);
  if (from.protocol === "https:" && next.protocol === "http:")
    throw new PlyError("invalid", `${shownUrl(from)} redirects to ${shownUrl(next)}, which is not encrypted`);
  next.username = "";
  next.password = "";
  next.hash = "";
  return next;
}
