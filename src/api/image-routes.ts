import { PlyError } from "../error.ts";
import type { ImageFilter, ImageSummary } from "../image/index.ts";
import { withDefaultTag } from "../oci/index.ts";
import type { DockerDistribution, DockerImagePrune, DockerSearchResult } from "../wire/index.ts";
import { credentialsByHost, credentialsOf } from "./credentials.ts";
import { type Exchange, param, sendEmpty, sendJson } from "./exchange.ts";
import { filterBoolean, parseFilters } from "./filters.ts";
import { imageFilter, LIST_FILTERS, PRUNE_FILTERS } from "./image-filter.ts";
import { familiarForm, referenceWithTag } from "./image-name.ts";
import { dockerHistoryItem, dockerImageInspect, dockerImageSummary } from "./image-view.ts";
import { decodePlatform, queryBoolean, queryInteger, queryPlatform, queryRequired } from "./query.ts";
import type { ApiRoute, Service } from "./service.ts";
import { inSession } from "./session-routes.ts";

/** Images that are here: list, inspect, history, tag, remove, prune; and what registries say of others. */
export const imageRoutes: readonly ApiRoute[] = [
  { method: "GET", path: "/images/json", handler: list },
  { method: "GET", path: "/images/search", handler: search },
  { method: "POST", path: "/images/prune", handler: prune },
  { method: "GET", path: "/images/{name:.*}/json", handler: inspect },
  { method: "GET", path: "/images/{name:.*}/history", handler: history },
  { method: "POST", path: "/images/{name:.*}/tag", handler: inSession(tag) },
  { method: "DELETE", path: "/images/{name:.*}", handler: remove },
  { method: "GET", path: "/distribution/{name:.*}/json", handler: distribution },
];

async function list(exchange: Exchange, { engine, clock }: Service): Promise<void> {
  const { query, apiMinor } = exchange;
  const filters = parseFilters(query, LIST_FILTERS);
  const filter = withOldFilter(imageFilter(filters, clock()), query.get("filter"));
  const images = await engine.images.list(filter);
  const shown = queryBoolean(query, "all") ? images : withoutIntermediate(images);
  const sharedSize = queryBoolean(query, "shared-size");
  sendJson(
    exchange,
    200,
    shown.map((image) => dockerImageSummary(image, { apiMinor, sharedSize, containers: false })),
  );
}

/** Clients older than API 1.25 name an image in a parameter of its own. */
function withOldFilter(filter: ImageFilter, reference: string | null): ImageFilter {
  if (reference === null || reference === "") return filter;
  return { ...filter, references: [...(filter.references ?? []), reference] };
}

/** Leaves out nameless images that others were committed from. */
export function withoutIntermediate(images: readonly ImageSummary[]): readonly ImageSummary[] {
  const parents = new Set(images.map((image) => image.record.parentId));
  return images.filter(
    ({ record }) => record.names.length > 0 || record.repoDigests.length > 0 || !parents.has(record.id),
  );
}

async function inspect(exchange: Exchange, { engine }: Service): Promise<void> {
  const detail = await engine.images.inspect(nameForPlatform(exchange, engine));
  const driver = engine.info.storageDriver.name;
  sendJson(exchange, 200, dockerImageInspect(detail, { apiMinor: exchange.apiMinor, driver }));
}

/** The image of the path; "not-found" when it is for another platform than the one asked for. */
function nameForPlatform(exchange: Exchange, engine: Service["engine"]): string {
  const name = param(exchange, "name");
  const platform = queryPlatform(exchange.query);
  if (platform !== undefined) engine.images.resolve(name, { platform });
  return name;
}

async function history(exchange: Exchange, { engine }: Service): Promise<void> {
  const rows = await engine.images.history(nameForPlatform(exchange, engine));
  sendJson(exchange, 200, rows.map(dockerHistoryItem));
}

async function tag(exchange: Exchange, { engine }: Service): Promise<void> {
  const target = referenceWithTag(queryRequired(exchange.query, "repo"), exchange.query.get("tag"));
  if (target.digest !== undefined)
    throw new PlyError("invalid", "refusing to create a tag with a digest reference");
  await engine.images.tag(param(exchange, "name"), withDefaultTag(target));
  sendEmpty(exchange, 201);
}

async function remove(exchange: Exchange, { engine }: Service): Promise<void> {
  const name = param(exchange, "name");
  // Our images are for one platform each: the wish for another one must not take this one away.
  for (const text of exchange.query.getAll("platforms"))
    engine.images.resolve(name, { platform: decodePlatform(text) });
  const removed = await engine.images.remove(name, {
    force: queryBoolean(exchange.query, "force"),
    noPrune: queryBoolean(exchange.query, "noprune"),
  });
  sendJson(exchange, 200, removed.map(dockerRemoved));
}

async function prune(exchange: Exchange, { engine, clock }: Service): Promise<void> {
  const filters = parseFilters(exchange.query, PRUNE_FILTERS);
  // Docker's prune says "all" by `dangling=false`.
  const { dangling: _, ...filter } = imageFilter(filters, clock());
  const all = filterBoolean(filters, "dangling") === false;
  const { removed, bytesReclaimed } = await engine.images.prune({ filter, all });
  const body: DockerImagePrune = {
    ImagesDeleted: removed.length === 0 ? null : removed.map(dockerRemoved),
    SpaceReclaimed: bytesReclaimed,
  };
  sendJson(exchange, 200, body);
}

function dockerRemoved(removed: { readonly untagged?: string; readonly deleted?: string }) {
  return removed.deleted === undefined
    ? { Untagged: familiarForm(removed.untagged ?? "") }
    : { Deleted: removed.deleted };
}

async function distribution(exchange: Exchange, { engine }: Service): Promise<void> {
  const credentials = credentialsOf(exchange.headers);
  const reference = withDefaultTag(referenceWithTag(param(exchange, "name"), null));
  const { descriptor, platforms } = await engine.images.distribution(reference, {
    signal: exchange.signal,
    ...(credentials === undefined ? {} : { credentials }),
  });
  const { mediaType, digest, size, annotations } = descriptor;
  const body: DockerDistribution = {
    Descriptor: { mediaType, digest, size, ...(annotations === undefined ? {} : { annotations }) },
    Platforms: platforms,
  };
  sendJson(exchange, 200, body);
}

const SEARCH_FILTERS = ["is-automated", "is-official", "stars"];
const SEARCH_LIMIT = 100;
const DEFAULT_SEARCH_RESULTS = 25;

/** Docker Hub has a search of its own; any other registry is searched in its catalog: `localhost:5000/term`. */
async function search(exchange: Exchange, { engine }: Service): Promise<void> {
  const term = queryRequired(exchange.query, "term");
  const limit = queryInteger(exchange.query, "limit") ?? DEFAULT_SEARCH_RESULTS;
  if (limit < 0 || limit > SEARCH_LIMIT)
    throw new PlyError("invalid", `limit ${limit} is outside the range of [1, ${SEARCH_LIMIT}]`);
  const wanted = limit === 0 ? DEFAULT_SEARCH_RESULTS : limit;
  const filters = parseFilters(exchange.query, SEARCH_FILTERS);
  const official = filterBoolean(filters, "is-official");
  const automated = filterBoolean(filters, "is-automated");
  const stars = Math.max(0, ...(filters.get("stars") ?? []).map(Number).filter(Number.isFinite));
  const results = await find(exchange, engine, term, wanted);
  sendJson(
    exchange,
    200,
    results
      .filter(
        (result) =>
          (official === undefined || result.is_official === official) &&
          (automated === undefined || result.is_automated === automated) &&
          result.star_count >= stars,
      )
      .slice(0, wanted),
  );
}

async function find(
  exchange: Exchange,
  engine: Service["engine"],
  term: string,
  limit: number,
): Promise<readonly DockerSearchResult[]> {
  const slash = term.indexOf("/");
  const host = slash < 0 ? "" : term.slice(0, slash);
  const isRegistry = /[.:]/.test(host) || host === "localhost";
  if (!isRegistry || host === "docker.io") {
    const { searchHub } = await import("./hub-search.ts");
    return searchHub(isRegistry ? term.slice(slash + 1) : term, { limit, signal: exchange.signal });
  }
  const credentials = credentialsOf(exchange.headers) ?? credentialsByHost(exchange.headers).get(host);
  const repositories = await engine.registry.catalog(host, {
    signal: exchange.signal,
    ...(credentials === undefined ? {} : { credentials }),
  });
  const part = term.slice(slash + 1).toLowerCase();
  return repositories
    .filter((repository) => repository.toLowerCase().includes(part))
    .map((repository) => ({
      name: `${host}/${repository}`,
      description: "",
      is_official: false,
      is_automated: false,
      star_count: 0,
    }));
}
