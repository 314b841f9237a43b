import { messageOf, PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";
import { VERSION } from "../version.ts";
import type { DockerSearchResult } from "../wire/index.ts";

const HUB_SEARCH = "https://index.docker.io/v1/search";
/** A search is for a person who waits. */
const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Docker Hub's search (the v1 protocol, the only one there is). Throws "unavailable". */
export async function searchHub(
  term: string,
  options: { readonly limit: number; readonly signal: AbortSignal },
): Promise<DockerSearchResult[]> {
  const url = `${HUB_SEARCH}?${new URLSearchParams({ q: term, n: String(options.limit) })}`;
  let body: unknown;
  try {
    const response = await fetch(url, {
      headers: { "User-Agent": `ply/${VERSION}`, "X-Docker-Token": "true" },
      signal: AbortSignal.any([options.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    if (!response.ok) throw new PlyError("unavailable", `Unexpected status code ${response.status}`);
    body = JSON.parse(await boundedText(response));
  } catch (cause) {
    throw new PlyError("unavailable", `cannot search Docker Hub: ${messageOf(cause)}`, {
      cause,
      hint: "search a registry of your own with `search HOST/TERM`",
    });
  }
  const results = isObject(body) && Array.isArray(body["results"]) ? body["results"] : [];
  return results.filter(isObject).map((result) => ({
    name: String(result["name"] ?? ""),
    description: String(result["description"] ?? ""),
    is_official: result["is_official"] === true,
    is_automated: result["is_automated"] === true,
    star_count: typeof result["star_count"] === "number" ? result["star_count"] : 0,
  }));
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES)
      throw new PlyError("limit", `the answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
