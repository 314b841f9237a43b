import { isPlyError, PlyError, throwIfAborted } from "../error.ts";
import {
  algorithmOf,
  canonicalName,
  type Descriptor,
  digestOf,
  MAX_CONFIG_BYTES,
  type Reference,
} from "../oci/index.ts";
import { isTransient, isUnreachable, retryDelay, wait } from "./backoff.ts";
import type { RequestOptions } from "./client.ts";
import { type Endpoint, isLoopback } from "./endpoint.ts";
import { registryError, shownUrl } from "./registry-error.ts";
import { fellBack, optionsAt, pullEndpoints, type RegistryContext, scopeOf } from "./repository.ts";
import type { TransportResponse } from "./transport.ts";

/** One place to get a blob from. */
interface BlobSource {
  readonly host: string;
  readonly isMirror: boolean;
  /** Tries in a row that may bring nothing, after the first. */
  readonly retries: number;
  /** What it is and from where, to begin errors with. */
  readonly what: string;
  /** Asks for the bytes from `position` on, once. */
  ask(position: number): Promise<TransportResponse>;
}

/** A small blob whole and verified. Throws limit, corrupt, and what openBlob throws. */
export async function fetchBlob(
  context: RegistryContext,
  reference: Reference,
  descriptor: Descriptor,
  options: RequestOptions = {},
): Promise<Uint8Array> {
  if (descriptor.size > MAX_CONFIG_BYTES)
    throw new PlyError(
      "limit",
      `blob ${descriptor.digest} is ${descriptor.size} bytes long; at most ${MAX_CONFIG_BYTES} are read at once`,
    );
  const chunks: Uint8Array[] = [];
  for await (const chunk of await openBlob(context, reference, descriptor, 0, options)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const digest = digestOf(bytes, algorithmOf(descriptor.digest));
  if (digest !== descriptor.digest)
    throw new PlyError(
      "corrupt",
      `blob ${descriptor.digest} of ${canonicalName(reference)} came with the digest ${digest}`,
    );
  return bytes;
}

/**
 * Opens a blob at a byte offset; resolves when its first bytes are there. Where the connection breaks, goes on
 * from the same byte; gives a place up after `retries` tries in a row that brought nothing, and goes on to the
 * next: mirrors, the registry, the descriptor's `urls`. Iterate it to its end or return from it: it holds a
 * connection. Exactly `size - offset` bytes come, or an error.
 */
export async function openBlob(
  context: RegistryContext,
  reference: Reference,
  descriptor: Descriptor,
  offset: number,
  options: RequestOptions = {},
): Promise<AsyncIterable<Uint8Array>> {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > descriptor.size)
    throw new PlyError(
      "invalid",
      `cannot read blob ${descriptor.digest} from byte ${offset}: it has ${descriptor.size}`,
    );
  const sources = sourcesOf(context, reference, descriptor, options);
  const bytes = readSources(context, sources, descriptor, {
    offset,
    name: canonicalName(reference),
    signal: options.signal,
  });
  let first: IteratorResult<Uint8Array, undefined> | undefined = await bytes.next();
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const ready = first;
        first = undefined;
        return ready ?? bytes.next();
      },
      return: () => bytes.return(undefined),
    }),
  };
}

async function* readSources(
  context: RegistryContext,
  sources: readonly BlobSource[],
  { digest, size }: Descriptor,
  at: { readonly offset: number; readonly name: string; readonly signal: AbortSignal | undefined },
): AsyncGenerator<Uint8Array, undefined> {
  const { policy } = context.session;
  const queue = [...sources];
  let position = at.offset;
  let fruitless = 0;
  let isReached = false;
  while (position < size) {
    const source = queue[0];
    if (source === undefined) throw new PlyError("internal", `no place to get ${digest} from`);
    throwIfAborted(at.signal);
    const start = position;
    try {
      const response = await source.ask(position);
      isReached = true;
      for await (const chunk of bodyFrom(response, position, size, source)) {
        position += chunk.byteLength;
        yield chunk;
      }
      if (position < size) throw cutOff(source, position, size);
    } catch (error) {
      if (!isPlyError(error) || error.kind === "cancelled") throw error;
      const mayPass = isTransient(error) || (isReached && isUnreachable(error));
      fruitless = position > start ? 0 : fruitless + 1;
      if (mayPass && fruitless <= source.retries) {
        await wait(retryDelay(fruitless, policy, error), at.signal);
        continue;
      }
      queue.shift();
      if (queue.length === 0) throw mayPass ? gaveUp(error, source, position, size) : error;
      fellBack(context, source, { name: `${at.name}@${digest}`, error });
      fruitless = 0;
      isReached = false;
    }
  }
  return undefined;
}

/** The bytes from `position` on, whether or not the server has heeded the Range. */
async function* bodyFrom(
  response: TransportResponse,
  position: number,
  size: number,
  source: BlobSource,
): AsyncGenerator<Uint8Array> {
  const problem =
    response.status === 206 ? rangeProblem(response, position, size) : lengthProblem(response, size);
  if (problem !== undefined) {
    response.discard();
    throw new PlyError("corrupt", `${source.what}: ${problem}`, { details: { host: source.host } });
  }
  let skip = response.status === 206 ? 0 : position;
  let left = size - position;
  const isMeasured = response.header("content-length") !== undefined;
  for await (const chunk of response.stream()) {
    const fresh = chunk.subarray(Math.min(skip, chunk.byteLength));
    skip -= chunk.byteLength - fresh.byteLength;
    if (fresh.byteLength > left)
      throw new PlyError("corrupt", `${source.what}: more than the ${size} bytes it should have came`, {
        details: { host: source.host },
      });
    left -= fresh.byteLength;
    if (fresh.byteLength > 0) yield fresh;
    // Of an announced length the end is already here; of another it may never come.
    if (left === 0 && !isMeasured) return;
  }
}

function rangeProblem(response: TransportResponse, position: number, size: number): string | undefined {
  const range = response.header("content-range") ?? "";
  const [, start, end, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? [];
  if (start === undefined || Number(start) !== position)
    return `asked for the bytes from ${position} on, got ${JSON.stringify(range.slice(0, 100))}`;
  if (total !== "*" && Number(total) !== size) return `the registry has ${total} bytes, not ${size}`;
  return Number(end) >= size ? `the registry offers bytes up to ${end} of ${size}` : undefined;
}

function lengthProblem(response: TransportResponse, size: number): string | undefined {
  const length = response.header("content-length");
  if (length !== undefined ? Number(length) === size : !isHtml(response)) return undefined;
  if (isHtml(response)) return `${response.url.host} answered with a web page`;
  return `the registry has ${length} bytes, not ${size}`;
}

function isHtml(response: TransportResponse): boolean {
  return /html/i.test(response.header("content-type") ?? "");
}

function sourcesOf(
  context: RegistryContext,
  reference: Reference,
  descriptor: Descriptor,
  options: RequestOptions,
): BlobSource[] {
  const endpoints = pullEndpoints(context, reference);
  const own = endpoints.map((endpoint) => registrySource(context, endpoint, reference, descriptor, options));
  const mayUseHttp = endpoints.some(({ schemes }) => schemes.includes("http"));
  const foreign = (descriptor.urls ?? [])
    .map((text) => foreignUrl(text, mayUseHttp))
    .filter((url) => url !== undefined)
    .map((url) => foreignSource(context, url, descriptor, options));
  return [...own, ...foreign];
}

function registrySource(
  { session }: RegistryContext,
  endpoint: Endpoint,
  reference: Reference,
  { digest }: Descriptor,
  options: RequestOptions,
): BlobSource {
  const what = `blob ${canonicalName(reference)}@${digest}`;
  return {
    host: endpoint.host,
    isMirror: endpoint.isMirror,
    retries: session.policyFor(endpoint).retries,
    what,
    ask: (position) =>
      session.request({
        ...optionsAt(endpoint, reference, options),
        endpoint,
        method: "GET",
        target: `/v2/${endpoint.repository}/blobs/${digest}`,
        headers: rangeHeaders(position),
        scopes: [scopeOf(endpoint, "pull")],
        expect: position === 0 ? [200] : [200, 206],
        what,
        // The reader counts the tries itself: those that bring bytes are free.
        policy: { ...session.policy, retries: 0 },
      }),
  };
}

function foreignSource(
  { session }: RegistryContext,
  url: URL,
  { digest }: Descriptor,
  { signal }: RequestOptions,
): BlobSource {
  const what = `blob ${digest} at ${shownUrl(url)}`;
  return {
    host: url.host,
    isMirror: false,
    retries: session.policy.retries,
    what,
    async ask(position) {
      const response = await session.getElsewhere(url, rangeHeaders(position), signal);
      if (response.status === 200 || (response.status === 206 && position > 0)) return response;
      throw await registryError(response, { what, credentialsHost: url.host });
    },
  };
}

/** An image can name any URL: only HTTPS, or loopback for the images of a registry that is itself reached so. */
function foreignUrl(text: string, mayUseHttp: boolean): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  url.username = "";
  url.password = "";
  const isAllowed =
    url.protocol === "https:" || (url.protocol === "http:" && mayUseHttp && isLoopback(url.host));
  return isAllowed ? url : undefined;
}

function rangeHeaders(position: number): Record<string, string> {
  // Some caches compress on the fly otherwise, and the digest would not fit.
  const identity = { "Accept-Encoding": "identity" };
  return position === 0 ? identity : { ...identity, Range: `bytes=${position}-` };
}

function cutOff(source: BlobSource, position: number, size: number): PlyError {
  return new PlyError("unavailable", `${source.what}: it ended after ${position} of ${size} bytes`, {
    details: { transient: true, host: source.host },
  });
}

function gaveUp(error: PlyError, source: BlobSource, position: number, size: number): PlyError {
  const { transient: _transient, ...details } = error.details;
  const message = error.message.startsWith(source.what) ? error.message : `${source.what}: ${error.message}`;
  return new PlyError(
    "unavailable",
    `${message}; gave up at byte ${position} of ${size} after ${source.retries + 1} tries`,
    {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      details: { ...details, position },
    },
  );
}
