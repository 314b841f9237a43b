import { PlyError } from "../error.ts";
import { asArray, asString, canonicalName, parseJsonObject, type Reference } from "../oci/index.ts";
import type { RequestOptions } from "./client.ts";
import { type Endpoint, endpointOfHost } from "./endpoint.ts";
import { shownUrl } from "./registry-error.ts";
import { optionsAt, pullFrom, type RegistryContext, scopeOf } from "./repository.ts";
import type { SessionRequest } from "./session.ts";
import type { TransportResponse } from "./transport.ts";

/** Names asked for at once; registries may give fewer. */
const PAGE_SIZE = 1000;
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
/** Pages and names after which a registry is no longer believed to come to an end. */
const MAX_PAGES = 1000;
const MAX_NAMES = 500_000;

/** All tags of a repository, as the registry sorts them. */
export function tags(
  context: RegistryContext,
  reference: Reference,
  options: RequestOptions = {},
): Promise<string[]> {
  return pullFrom(context, reference, (endpoint) =>
    listNames(context, "tags", {
      ...optionsAt(endpoint, reference, options),
      endpoint,
      method: "GET",
      target: `/v2/${endpoint.repository}/tags/list?n=${PAGE_SIZE}`,
      scopes: [scopeOf(endpoint, "pull")],
      expect: [200],
      what: `tags of ${canonicalName(reference)}`,
    }),
  );
}

/** All repositories of a registry that lets itself be listed. */
export function catalog(
  context: RegistryContext,
  host: string,
  options: RequestOptions = {},
): Promise<string[]> {
  const endpoint = endpointOfHost(host, context.rules);
  return listNames(context, "repositories", {
    ...options,
    endpoint,
    method: "GET",
    target: `/v2/_catalog?n=${PAGE_SIZE}`,
    scopes: ["registry:catalog:*"],
    expect: [200],
    what: `catalog of ${endpoint.credentialsHost}`,
  });
}

/** Follows `Link: rel="next"`; a full page without one is continued by `last`, as older registries want it. */
async function listNames(context: RegistryContext, field: string, first: SessionRequest): Promise<string[]> {
  const names = new Set<string>();
  let request = first;
  for (let page = 0; page < MAX_PAGES; page++) {
    const { response, bytes } = await context.session.read(request, MAX_PAGE_BYTES);
    const found = namesIn(bytes, field, request.what);
    const before = names.size;
    for (const name of found) names.add(name);
    if (names.size > MAX_NAMES) break;
    const next = nextPage(response, request.endpoint);
    const last = found.at(-1);
    // Nothing new: the end, or a registry that goes round in circles.
    if (names.size === before) return [...names];
    if (next !== undefined) request = { ...first, target: next };
    else if (found.length === PAGE_SIZE && last !== undefined)
      request = { ...first, target: `${String(first.target)}&last=${encodeURIComponent(last)}` };
    else return [...names];
  }
  throw new PlyError("limit", `the ${first.what} do not come to an end: ${names.size} so far`);
}

function namesIn(bytes: Uint8Array, field: string, what: string): string[] {
  const document = parseJsonObject(bytes, what, MAX_PAGE_BYTES);
  return asArray(document[field], `${what}: ${field}`, MAX_NAMES).map((name, i) =>
    asString(name, `${what}: ${field}[${i}]`),
  );
}

/** The next page's path and query; a link to another host is refused. */
export function nextPage(response: TransportResponse, endpoint: Endpoint): string | undefined {
  const link = response.header("link");
  const target = link === undefined ? undefined : /<([^<>]*)>\s*;[^<]*\brel\s*=\s*"?next\b/i.exec(link)?.[1];
  if (target === undefined) return undefined;
  if (!URL.canParse(target, response.url.href))
    throw new PlyError("invalid", `${endpoint.host} links to a next page that is no URL`);
  const url = new URL(target, response.url);
  if (url.host !== response.url.host)
    throw new PlyError("invalid", `${endpoint.host} links to a next page elsewhere: ${shownUrl(url)}`);
  return `${url.pathname}${url.search}`;
}
