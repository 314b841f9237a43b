import {
  type BuildEvent,
  type BuildOptions,
  type BuildStep,
  type ContextSource,
  type FileTree,
  writtenPlace,
} from "../build/index.ts";
import { parseIgnoreFile } from "../dockerfile/index.ts";
import { isPlyError, PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";
import type { PlyBuildContext, PlyBuildMessage, PlyBuildRequest, PlyBuildStep } from "../wire/index.ts";
import { buildOptionsOf, platformsOf } from "./build-options.ts";
import { contentSender, storedNames } from "./build-outputs.ts";
import { credentialsByHost } from "./credentials.ts";
import { bodyStream, type Exchange, sendJson } from "./exchange.ts";
import { errorBody } from "./failure.ts";
import { fetchOptions } from "./fetch-options.ts";
import { openLineStream } from "./line-stream.ts";
import { answerCall } from "./ply-build-call.ts";
import { wireProgress } from "./ply-routes.ts";
import type { ApiRoute, Service } from "./service.ts";
import { claimImage, claimNames, inSession } from "./session-routes.ts";

/** What `ply build` speaks: `wire/ply-build.ts`. */
export const plyBuildRoutes: readonly ApiRoute[] = [
  { method: "POST", path: "/ply/build", handler: inSession(build) },
];

/** Secrets are in it, 500 KB each at most as with Docker, and a Dockerfile. */
const REQUEST_BYTES = 32 * 1024 * 1024;

async function build(exchange: Exchange, { engine }: Service): Promise<void> {
  const { signal } = exchange;
  const { request, archive } = await splitBody(bodyStream(exchange));
  const credentials = credentialsByHost(exchange.headers);
  const options = buildOptionsOf(request);
  await using stack = new AsyncDisposableStack();
  const contexts = stack.use(
    await engine.builder.openContexts(sourcesOf(request, archive), {
      ...("path" in request.dockerfile ? { dockerfile: request.dockerfile.path } : {}),
      ...fetchOptions(options),
      signal,
    }),
  );
  const dockerfile = "text" in request.dockerfile ? request.dockerfile : contexts.dockerfile;
  if (dockerfile === undefined) throw new PlyError("invalid", "there is no Dockerfile");
  const ignore = request.ignore === undefined ? contexts.ignore : parseIgnoreFile(request.ignore);
  const given = {
    ...options,
    dockerfile,
    contexts: await withLayouts(engine, request, namedContexts(request, contexts.named)),
    ...(ignore === undefined ? {} : { ignore }),
  };
  if (request.call !== undefined)
    return sendJson(exchange, 200, await answerCall(engine.builder.calls, request.call, given));
  claimNames(exchange, engine, storedNames(request));
  const lines = openLineStream(exchange);
  const send = (message: PlyBuildMessage): void => lines.send(message);
  const toMessage = messagesOf();
  try {
    const { imageId, ...built } = await engine.builder.build({
      ...given,
      take: contentSender(exchange, lines),
      context: contexts.main,
      checks: true,
      credentialsOf: (domain) => credentials.get(domain),
      onEvent: (event) => {
        const message = toMessage(event);
        if (message !== undefined) send(message);
      },
      signal,
    });
    if (built.isStored) claimImage(exchange, engine, imageId);
    send({ type: "built", id: imageId, ...built });
  } catch (error) {
    const { line, endLine, exitCode } = isPlyError(error) ? error.details : {};
    // What has a place in the Dockerfile is told with it.
    if (!lines.started && line === undefined) throw error;
    send({
      type: "error",
      error: errorBody(error),
      ...(typeof line === "number" ? { line } : {}),
      ...(typeof endLine === "number" ? { endLine } : {}),
      ...(typeof exitCode === "number" ? { exitCode } : {}),
      ...("text" in request.dockerfile ? {} : { dockerfile }),
    });
  }
  lines.end();
}

/** The first line, and the archive after it. */
async function splitBody(
  body: AsyncIterable<Uint8Array>,
): Promise<{ readonly request: PlyBuildRequest; readonly archive: AsyncIterable<Uint8Array> }> {
  const source = body[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const next = await source.next();
    if (next.done === true) throw new PlyError("invalid", "the build's request is not a line of JSON");
    const chunk = next.value;
    const end = chunk.indexOf(0x0a);
    if (end >= 0) {
      const rest = chunk.subarray(end + 1);
      pieces.push(chunk.subarray(0, end));
      return {
        request: parseRequest(Buffer.concat(pieces).toString("utf8")),
        archive: (async function* () {
          if (rest.length > 0) yield rest;
          yield* { [Symbol.asyncIterator]: () => source };
        })(),
      };
    }
    pieces.push(chunk);
    length += chunk.length;
    if (length > REQUEST_BYTES) throw new PlyError("limit", "the build's request is too long");
  }
}

function parseRequest(text: string): PlyBuildRequest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    // The words of the parser quote the text, which may hold secrets.
    throw new PlyError("invalid", "the build's request is not JSON", { cause });
  }
  if (!isObject(value) || !isObject(value["context"]) || !isObject(value["dockerfile"]))
    throw new PlyError("invalid", "the build's request has no context or no dockerfile");
  return value as unknown as PlyBuildRequest;
}

interface Sources {
  readonly main: ContextSource | null;
  readonly named: ReadonlyMap<string, ContextSource | null>;
  readonly archive: AsyncIterable<Uint8Array> | undefined;
}

function sourcesOf(request: PlyBuildRequest, archive: AsyncIterable<Uint8Array>): Sources {
  const named = Object.entries(request.contexts ?? {}).flatMap(([name, context]) =>
    context.kind === "image" ? [] : [[name, sourceOf(context, `contexts/${name}`)] as const],
  );
  const main = request.context.kind === "archive" ? { archive } : sourceOf(request.context, "context");
  const isSent = [main, ...named.map(([, source]) => source)].some(
    (source) => source !== null && "member" in source,
  );
  return { main, named: new Map(named), archive: isSent ? archive : undefined };
}

function sourceOf(context: PlyBuildContext, member: string): ContextSource | null {
  switch (context.kind) {
    case "sent":
      return { member };
    case "archive":
    case "none":
      return null;
    case "address":
      return { address: context.address };
    case "directory":
      return {
        directory: context.path,
        device: context.device,
        inode: context.inode,
        ...(context.ignore === undefined ? {} : { ignore: context.ignore }),
      };
  }
}

function namedContexts(
  { contexts = {} }: PlyBuildRequest,
  trees: ReadonlyMap<string, FileTree>,
): NonNullable<BuildOptions["contexts"]> {
  const images = Object.entries(contexts).flatMap(([name, context]) =>
    context.kind === "image" ? [[name, { image: context.name }] as const] : [],
  );
  return new Map<string, FileTree | { readonly image: string }>([...trees, ...images]);
}

/** Layouts are images from here on. */
async function withLayouts(
  { builder }: Service["engine"],
  { layouts = {}, platforms = [] }: PlyBuildRequest,
  contexts: NonNullable<BuildOptions["contexts"]>,
): Promise<NonNullable<BuildOptions["contexts"]>> {
  const [platform] = platformsOf(platforms);
  const images = new Map(contexts);
  for (const [name, reference] of Object.entries(layouts)) {
    const layout = contexts.get(name);
    if (layout === undefined || "image" in layout) continue;
    images.set(name, { image: await builder.imageOfLayout(layout, reference, platform) });
  }
  return images;
}

/** Events as messages; what a client has no use for is left out. */
function messagesOf(): (event: BuildEvent) => PlyBuildMessage | undefined {
  const decoders = new Map<string, TextDecoder>();
  const numbers = new Map<string, number>();
  // Triggers of images are not among those that are counted beforehand: a number is given when a step begins.
  const numberOf = ({ stage, place }: BuildStep): number => {
    const key = `${stage.index} ${stage.name} ${place.number}`;
    const number = numbers.get(key) ?? numbers.size + 1;
    numbers.set(key, number);
    return number;
  };
  return (event) => {
    switch (event.kind) {
      case "step": {
        const step = stepOf(event.step, numberOf(event.step));
        if (event.state === "running" || event.state === "cancelled")
          return { type: "step", step, state: event.state };
        const why = event.why === undefined ? {} : { why: event.why };
        if (event.state === "failed")
          return { type: "step", step, state: "failed", message: event.message, ...why };
        return { type: "step", step, state: event.state, ms: event.ms, ...why };
      }
      case "output": {
        const number = numberOf(event.step);
        const key = `${number} ${event.stream}`;
        const decoder = decoders.get(key) ?? new TextDecoder();
        decoders.set(key, decoder);
        const text = decoder.decode(event.bytes, { stream: true });
        return { type: "output", number, stream: event.stream, text };
      }
      case "pull":
        return { type: "pull", number: numberOf(event.step), progress: wireProgress(event.progress) };
      case "warning":
        return {
          type: "warning",
          message: event.message,
          ...(event.at === undefined ? {} : { line: event.at.start, endLine: event.at.end }),
          ...event.rule,
        };
      case "push":
        return { type: "push", progress: wireProgress(event.progress) };
      case "stage":
      case "container":
        return undefined;
    }
  };
}

function stepOf(step: BuildStep, number: number): PlyBuildStep {
  const { total, stage, text, at } = step;
  const { trigger, ...place } = writtenPlace(step);
  return {
    number,
    total,
    stage: stage.index,
    place,
    ...(stage.name === undefined ? {} : { stageName: stage.name }),
    ...(trigger === 0 ? {} : { isTrigger: true }),
    text,
    line: at.start,
  };
}
