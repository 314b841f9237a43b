import { isPlyError, PlyError } from "../error.ts";
import type { OnProgress, PruneOptions, TransferOptions } from "../image/index.ts";
import {
  asObject,
  asStrings,
  familiarString,
  type Platform,
  parsePlatform,
  parseReference,
  type Reference,
  withDefaultTag,
  withTag,
} from "../oci/index.ts";
import { VERSION } from "../version.ts";
import type {
  PlyCatalog,
  PlyChange,
  PlyCheckResponse,
  PlyDiskUsage,
  PlyFile,
  PlyInfo,
  PlyLoadMessage,
  PlyProgress,
  PlyPullMessage,
  PlyPushMessage,
  PlyTags,
} from "../wire/index.ts";
import { dockerBuildCache } from "./builder-cache-routes.ts";
import { sizesOf } from "./container-routes.ts";
import { credentialsByHost, credentialsOf } from "./credentials.ts";
import {
  bodyStream,
  type Exchange,
  param,
  readJson,
  readJsonObject,
  sendJson,
  sendStream,
} from "./exchange.ts";
import { errorBody } from "./failure.ts";
import { parseFilters } from "./filters.ts";
import { CLOCK_FILTERS, imageFilter, LIST_FILTERS } from "./image-filter.ts";
import { withoutIntermediate } from "./image-routes.ts";
import { plyHistoryRow, plyImage, plyImageLayers } from "./image-view.ts";
import { type LineStream, openLineStream } from "./line-stream.ts";
import { parsePruneRequest } from "./prune-request.ts";
import { queryBoolean, queryPlatform, queryRequired } from "./query.ts";
import { isSaidByResult } from "./said-lines.ts";
import type { ApiRoute, Service } from "./service.ts";
import { volumesWithUsage } from "./volume-routes.ts";

/** ply's own additions: what Docker's API has no words for. Bodies: `wire/ply.ts`. */
export const plyRoutes: readonly ApiRoute[] = [
  { method: "GET", path: "/ply/info", handler: info },
  { method: "GET", path: "/ply/images", handler: listImages },
  { method: "POST", path: "/ply/images/pull", handler: pull },
  { method: "POST", path: "/ply/images/push", handler: push },
  { method: "POST", path: "/ply/images/load", handler: load },
  { method: "GET", path: "/ply/images/save", handler: save },
  { method: "POST", path: "/ply/images/prune", handler: prune },
  { method: "GET", path: "/ply/images/{name:.*}/layers", handler: layers },
  { method: "GET", path: "/ply/images/{name:.*}/history", handler: history },
  { method: "GET", path: "/ply/images/{name:.*}/files", handler: files },
  { method: "POST", path: "/ply/system/check", handler: check },
  { method: "GET", path: "/ply/system/df", handler: diskUsage },
  { method: "GET", path: "/ply/containers/{name}/phases", handler: phases },
  { method: "GET", path: "/ply/containers/{name}/changes", handler: detailedChanges },
  { method: "GET", path: "/ply/registry/tags", handler: tags },
  { method: "GET", path: "/ply/registry/catalog", handler: catalog },
];

function info(exchange: Exchange, { engine, startedAt }: Service): void {
  const body: PlyInfo = { ...engine.info, version: VERSION, pid: process.pid, startedAt };
  sendJson(exchange, 200, body);
}

async function listImages(exchange: Exchange, { engine, clock }: Service): Promise<void> {
  const filters = parseFilters(exchange.query, [...LIST_FILTERS, ...CLOCK_FILTERS]);
  const images = await engine.images.list(imageFilter(filters, clock()));
  const shown = queryBoolean(exchange.query, "all") ? images : withoutIntermediate(images);
  sendJson(exchange, 200, shown.map(plyImage));
}

async function layers(exchange: Exchange, { engine }: Service): Promise<void> {
  sendJson(exchange, 200, plyImageLayers(await engine.images.inspect(param(exchange, "name"))));
}

async function history(exchange: Exchange, { engine }: Service): Promise<void> {
  sendJson(exchange, 200, (await engine.images.history(param(exchange, "name"))).map(plyHistoryRow));
}

async function files(exchange: Exchange, { engine }: Service): Promise<void> {
  const below = exchange.query.get("path") ?? "/";
  const listed: PlyFile[] = await engine.images.files(param(exchange, "name"), below);
  sendJson(exchange, 200, listed);
}

/** More images than anybody pulls with one command. */
const MAX_REFERENCES = 1000;

async function pull(exchange: Exchange, { engine }: Service): Promise<void> {
  const body = await readJsonObject(exchange);
  const references = asStrings(body["references"], "references", MAX_REFERENCES);
  if (references.length === 0) throw new PlyError("invalid", "no reference given");
  const parsed = references.map((text) => ({ text, reference: parseReference(text) }));
  const credentials = credentialsByHost(exchange.headers);
  const isAll = body["allTags"] === true;
  const platform = platformOf(body["platform"]);
  const lines = openLineStream(exchange, NDJSON);
  const send = (message: PlyPullMessage) => lines.send(message);
  await Promise.all(
    parsed.map(async ({ text, reference }) => {
      const options = transferOptions(exchange, {
        reference,
        credentials,
        platform,
        onProgress: (progress) =>
          sendProgress(lines, { type: "progress", reference: text, progress: wireProgress(progress) }),
      });
      try {
        const target = isAll ? reference : withDefaultTag(reference);
        const pulled = isAll
          ? await engine.images.pullAllTags(target, options)
          : [await engine.images.pull(target, options)];
        for (const { id, digest, changed, tag } of pulled) {
          const name = familiarString(tag === undefined ? target : withTag(target, tag));
          send({ type: "pulled", reference: text, name, id, digest, changed });
        }
      } catch (error) {
        send({ type: "error", reference: text, error: errorBody(error) });
      }
    }),
  );
  send({ type: "done" });
  lines.end();
}

async function push(exchange: Exchange, { engine }: Service): Promise<void> {
  const body = await readJsonObject(exchange);
  const text = body["reference"];
  if (typeof text !== "string") throw new PlyError("invalid", "no reference given");
  const reference = parseReference(text);
  const lines = openLineStream(exchange, NDJSON);
  const send = (message: PlyPushMessage) => lines.send(message);
  const options = transferOptions(exchange, {
    reference,
    credentials: credentialsByHost(exchange.headers),
    platform: platformOf(body["platform"]),
    onProgress: (progress) => sendProgress(lines, { type: "progress", progress: wireProgress(progress) }),
  });
  await withErrorMessage(lines, async () => {
    const pushed =
      body["allTags"] === true
        ? await engine.images.pushAllTags(reference, options)
        : [await engine.images.push(withDefaultTag(reference), options)];
    for (const { tag, digest, size } of pushed) send({ type: "pushed", tag, digest, size });
  });
}

async function load(exchange: Exchange, { engine }: Service): Promise<void> {
  const platform = queryPlatform(exchange.query);
  const lines = openLineStream(exchange, NDJSON);
  const send = (message: PlyLoadMessage) => lines.send(message);
  await withErrorMessage(lines, async () => {
    const loaded = await engine.images.load(bodyStream(exchange), {
      signal: exchange.signal,
      onProgress: (progress) => sendProgress(lines, { type: "progress", progress: wireProgress(progress) }),
      ...(platform === undefined ? {} : { platform }),
    });
    for (const { name, id } of loaded) send({ type: "loaded", id, ...(name === undefined ? {} : { name }) });
  });
}

async function save(exchange: Exchange, { engine }: Service): Promise<void> {
  const names = exchange.query.getAll("names").filter((name) => name !== "");
  if (names.length === 0) throw new PlyError("invalid", "missing parameter: names");
  const format = exchange.query.get("format") || "docker";
  if (format !== "docker" && format !== "oci")
    throw new PlyError("invalid", `unknown archive format ${JSON.stringify(format)}`, {
      hint: "docker and oci are known",
    });
  const platform = queryPlatform(exchange.query);
  const archive = await engine.images.save(names, {
    format,
    signal: exchange.signal,
    ...(platform === undefined ? {} : { platform }),
  });
  await sendStream(exchange, "application/x-tar", archive);
}

async function prune(exchange: Exchange, { engine }: Service): Promise<void> {
  const body = (await readJson(exchange)) ?? {};
  const options: PruneOptions = parsePruneRequest(asObject(body, "the request body"));
  sendJson(exchange, 200, await engine.images.prune(options));
}

async function check(exchange: Exchange, { engine }: Service): Promise<void> {
  const body: PlyCheckResponse = await engine.check({
    repair: queryBoolean(exchange.query, "repair"),
    signal: exchange.signal,
  });
  sendJson(exchange, 200, body);
}

async function diskUsage(exchange: Exchange, service: Service): Promise<void> {
  const { engine } = service;
  const { layersSize, images } = await engine.images.diskUsage();
  const containers = engine.containers.list();
  const sizes = await sizesOf(service, containers);
  const volumes = await volumesWithUsage(service);
  const count = engine.containers.snapshots.list().length;
  const body: PlyDiskUsage = {
    layersSize,
    images: images.map(plyImage),
    containers: containers.map(({ id, name, imageName, status }) => ({
      id,
      name,
      image: imageName,
      status,
      size: sizes.get(id)?.writable ?? 0,
    })),
    volumes: volumes.map(({ Name: name, UsageData }) => ({
      name,
      size: UsageData?.Size ?? 0,
      users: UsageData?.RefCount ?? 0,
    })),
    buildCache: (await engine.builder.cache.entries()).map(dockerBuildCache),
    ...(count === 0 ? {} : { snapshots: { count, size: await engine.containers.snapshots.bytesHeld() } }),
  };
  sendJson(exchange, 200, body);
}

async function detailedChanges(exchange: Exchange, { engine }: Service): Promise<void> {
  const body: PlyChange[] = await engine.containers.detailedChanges(param(exchange, "name"));
  sendJson(exchange, 200, body);
}

function phases(exchange: Exchange, { engine }: Service): void {
  sendJson(exchange, 200, engine.containers.get(param(exchange, "name")).phases);
}

async function tags(exchange: Exchange, { engine }: Service): Promise<void> {
  const name = queryRequired(exchange.query, "name");
  const found = await engine.registry.tags(parseReference(name), requestOptions(exchange));
  const body: PlyTags = { name, tags: found };
  sendJson(exchange, 200, body);
}

async function catalog(exchange: Exchange, { engine }: Service): Promise<void> {
  const host = queryRequired(exchange.query, "host");
  const body: PlyCatalog = {
    host,
    repositories: await engine.registry.catalog(host, requestOptions(exchange)),
  };
  sendJson(exchange, 200, body);
}

function requestOptions(exchange: Exchange) {
  const credentials = credentialsOf(exchange.headers);
  return { signal: exchange.signal, ...(credentials === undefined ? {} : { credentials }) };
}

const NDJSON = { contentType: "application/x-ndjson" };

function transferOptions(
  exchange: Exchange,
  given: {
    readonly reference: Reference;
    readonly credentials: ReturnType<typeof credentialsByHost>;
    readonly platform: Platform | undefined;
    readonly onProgress: OnProgress;
  },
): TransferOptions {
  const credentials = given.credentials.get(given.reference.domain);
  return {
    signal: exchange.signal,
    onProgress: given.onProgress,
    ...(credentials === undefined ? {} : { credentials }),
    ...(given.platform === undefined ? {} : { platform: given.platform }),
  };
}

function platformOf(value: unknown): Platform | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw new PlyError("invalid", "invalid JSON: platform is not a string");
  return parsePlatform(value);
}

type EngineProgress = Parameters<OnProgress>[0];

export function wireProgress(progress: EngineProgress): PlyProgress {
  if (progress.kind !== "total") return progress;
  const { secondsLeft, ...rest } = progress;
  return secondsLeft === undefined ? rest : { ...rest, secondsLeft };
}

/** What only moves a bar is left out while the client lags. */
function sendProgress(
  lines: LineStream,
  message: Extract<PlyPullMessage | PlyPushMessage | PlyLoadMessage, { type: "progress" }>,
): void {
  const { progress } = message;
  if (isSaidByResult(progress as EngineProgress)) return;
  const isBar =
    progress.kind === "total" ||
    (progress.kind === "layer" && progress.current !== undefined && progress.current !== progress.total);
  if (!isBar || !lines.isBehind) lines.send(message);
}

async function withErrorMessage(lines: LineStream, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    lines.send({ type: "done" });
  } catch (error) {
    if (!lines.started && isPlyError(error)) throw error;
    lines.send({ type: "error", error: errorBody(error) });
  }
  lines.end();
}
