import { isPlyError, messageOf, PlyError } from "../error.ts";
import type { ImportOptions, OnProgress, TransferOptions } from "../image/index.ts";
import { familiarName, familiarString, type Reference, withDefaultTag } from "../oci/index.ts";
import type { DockerProgressLine } from "../wire/index.ts";
import { credentialsOf } from "./credentials.ts";
import { bodyStream, type Exchange, param, sendStream } from "./exchange.ts";
import { referenceWithTag } from "./image-name.ts";
import { type LineStream, openLineStream, withErrorLine } from "./line-stream.ts";
import { progressLines } from "./progress-lines.ts";
import { queryBoolean, queryPlatform, queryRequired } from "./query.ts";
import { isOpening, isSaidByResult, saidLines } from "./said-lines.ts";
import type { ApiRoute, Service } from "./service.ts";
import { claimImage, inSession } from "./session-routes.ts";

/** Images on their way: pull, import, push, save, load. */
export const transferRoutes: readonly ApiRoute[] = [
  { method: "POST", path: "/images/create", handler: inSession(create) },
  { method: "POST", path: "/images/load", handler: load },
  { method: "GET", path: "/images/get", handler: saveNamed },
  { method: "GET", path: "/images/{name:.*}/get", handler: saveOne },
  { method: "POST", path: "/images/{name:.*}/push", handler: push },
];

async function create(exchange: Exchange, service: Service): Promise<void> {
  const { query } = exchange;
  if (query.get("fromImage")) return pull(exchange, service);
  if (query.get("fromSrc")) return importImage(exchange, service);
  throw new PlyError("invalid", "missing parameter: fromImage or fromSrc");
}

async function pull(exchange: Exchange, service: Service): Promise<void> {
  const { engine } = service;
  const written = queryRequired(exchange.query, "fromImage");
  const reference = referenceWithTag(written, exchange.query.get("tag"));
  // The API's "no tag" means all of them; clients who mean latest say so.
  const isAll = reference.tag === undefined && reference.digest === undefined;
  const lines = openLineStream(exchange);
  const said = saidLines((line) => lines.send(line));
  const toLines = progressLines({ send: said.send, isBehind: () => lines.isBehind, clock: service.clock });
  let isOpened = false;
  const onProgress: OnProgress = (progress) => {
    // Of all tags Docker tells one status, at the end.
    if (isAll && progress.kind === "message" && progress.text.startsWith("Status: ")) return;
    if (!isOpened && !isOpening(progress)) said.send(pullingFrom(reference));
    isOpened = true;
    if (!isOpening(progress)) said.open();
    toLines(progress);
  };
  const options = { ...transferOptions(exchange), onProgress };
  await withErrorLine(lines, async () => {
    try {
      const pulled = isAll
        ? await engine.images.pullAllTags(reference, options)
        : [await engine.images.pull(reference, options)];
      if (!isOpened) said.send(pullingFrom(reference));
      said.open();
      for (const { digest } of pulled) said.sendOnce({ status: `Digest: ${digest}` });
      const isNewer = pulled.some(({ changed }) => changed);
      const name = familiarString(reference);
      said.sendOnce({
        status: isNewer
          ? `Status: Downloaded newer image for ${name}`
          : `Status: Image is up to date for ${name}`,
      });
    } catch (error) {
      throw isPlyError(error, "denied") ? pullDenied(familiarName(reference), error) : error;
    }
  });
}

function pullingFrom(reference: Reference): DockerProgressLine {
  const { path, tag, digest } = reference;
  return { status: `Pulling from ${path}`, id: digest ?? tag ?? familiarName(reference) };
}

/** Docker answers 404: a repository that one may not see is not told from one that is not there. */
function pullDenied(title: string, error: PlyError): PlyError {
  const words = error.message.startsWith("pull access denied")
    ? error.message
    : `pull access denied for ${title}, repository does not exist or may require 'docker login': ${error.message}`;
  return new PlyError("denied", words, {
    cause: error,
    details: { ...error.details, httpStatus: 404 },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

async function push(exchange: Exchange, service: Service): Promise<void> {
  const { engine } = service;
  const reference = referenceWithTag(param(exchange, "name"), exchange.query.get("tag"));
  const lines = openLineStream(exchange);
  const said = saidLines((line) => lines.send(line));
  const toLines = progressLines({
    send: said.sendOnce,
    isBehind: () => lines.isBehind,
    clock: service.clock,
  });
  const options = { ...transferOptions(exchange), onProgress: toLines };
  await withErrorLine(lines, async () => {
    // Docker's push never fails with a status: its clients look for failures in the stream.
    said.open();
    said.send({ status: `The push refers to repository [${reference.domain}/${reference.path}]` });
    const pushed =
      reference.tag === undefined
        ? await engine.images.pushAllTags(reference, options)
        : [await engine.images.push(reference, options)];
    for (const { tag, digest, size } of pushed) {
      said.sendOnce({ status: `${tag}: digest: ${digest} size: ${size}` });
      said.send({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } });
    }
  });
}

async function load(exchange: Exchange, service: Service): Promise<void> {
  const platform = queryPlatform(exchange.query);
  const isQuiet = queryBoolean(exchange.query, "quiet");
  const lines = openLineStream(exchange);
  const send = (line: DockerProgressLine) => lines.send(line);
  const toLines = progressLines({ send, isBehind: () => lines.isBehind, clock: service.clock });
  const onProgress: OnProgress = (progress) => {
    if (!isSaidByResult(progress)) toLines(progress);
  };
  await withErrorLine(lines, async () => {
    const loaded = await service.engine.images.load(bodyStream(exchange), {
      signal: exchange.signal,
      ...(platform === undefined ? {} : { platform }),
      ...(isQuiet ? {} : { onProgress }),
    });
    for (const { name, id } of loaded)
      send({ stream: name === undefined ? `Loaded image ID: ${id}\n` : `Loaded image: ${name}\n` });
  });
}

async function importImage(exchange: Exchange, service: Service): Promise<void> {
  const { query, signal } = exchange;
  const source = queryRequired(exchange.query, "fromSrc");
  const repo = query.get("repo");
  const reference = repo ? withDefaultTag(referenceWithTag(repo, query.get("tag"))) : undefined;
  if (reference?.digest !== undefined)
    throw new PlyError("invalid", "cannot import digest reference", { hint: "give the image a tag" });
  const platform = queryPlatform(query);
  const options: ImportOptions = {
    signal,
    changes: query.getAll("changes"),
    ...(query.get("message") ? { comment: query.get("message") ?? "" } : {}),
    ...(reference === undefined ? {} : { reference }),
    ...(platform === undefined ? {} : { platform }),
  };
  const lines = openLineStream(exchange);
  await withErrorLine(lines, async () => {
    const tar = source === "-" ? bodyStream(exchange) : await download(source, signal, lines);
    const id = await service.engine.images.import(tar, options);
    claimImage(exchange, service.engine, id);
    lines.send({ status: id });
  });
}

async function download(
  source: string,
  signal: AbortSignal,
  lines: LineStream,
): Promise<AsyncIterable<Uint8Array>> {
  let url: URL;
  try {
    url = new URL(source.includes("://") ? source : `http://${source}`);
  } catch (cause) {
    throw new PlyError("invalid", `invalid fromSrc: ${JSON.stringify(source)} is not a URL`, { cause });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new PlyError("invalid", `invalid fromSrc: ${url.protocol} is not supported`, {
      hint: "use http, https, or - for the request's body",
    });
  const shown = `${url.protocol}//${url.host}${url.pathname}`;
  lines.send({ status: `Downloading from ${shown}` });
  try {
    const response = await fetch(url, { signal });
    if (!response.ok || response.body === null)
      throw new PlyError("unavailable", `the server answered ${response.status}`);
    return response.body as unknown as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw new PlyError("unavailable", `cannot download ${shown}: ${messageOf(cause)}`, { cause });
  }
}

async function saveOne(exchange: Exchange, service: Service): Promise<void> {
  await save(exchange, service, [param(exchange, "name")]);
}

async function saveNamed(exchange: Exchange, service: Service): Promise<void> {
  const names = exchange.query.getAll("names").filter((name) => name !== "");
  if (names.length === 0) throw new PlyError("invalid", "missing parameter: names");
  await save(exchange, service, names);
}

async function save(exchange: Exchange, { engine }: Service, names: readonly string[]): Promise<void> {
  const platform = queryPlatform(exchange.query);
  const archive = await engine.images.save(names, {
    format: "docker",
    signal: exchange.signal,
    ...(platform === undefined ? {} : { platform }),
  });
  await sendStream(exchange, "application/x-tar", archive);
}

function transferOptions(exchange: Exchange): TransferOptions {
  const credentials = credentialsOf(exchange.headers);
  const platform = queryPlatform(exchange.query);
  return {
    signal: exchange.signal,
    ...(credentials === undefined ? {} : { credentials }),
    ...(platform === undefined ? {} : { platform }),
  };
}
