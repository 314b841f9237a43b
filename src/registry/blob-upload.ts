import { isPlyError, PlyError } from "../error.ts";
import { canonicalName, type Descriptor, type Digest, type Reference } from "../oci/index.ts";
import { isTransient, retryDelay, wait } from "./backoff.ts";
import { type ByteCursor, createByteCursor } from "./byte-cursor.ts";
import type { PushBlobOptions, RequestOptions } from "./client.ts";
import type { Endpoint } from "./endpoint.ts";
import { homeOf, optionsAt, type RegistryContext, scopeOf } from "./repository.ts";
import type { SessionRequest } from "./session.ts";
import type { TransportResponse } from "./transport.ts";

/** Repositories asked for a mount; each costs a request. */
const MAX_MOUNTS = 5;
/** One PATCH of a chunked upload: large enough to cost nothing, small enough for proxies. Bytes. */
const CHUNK_BYTES = 16 * 1024 * 1024;
/** Where halving the chunks after "too large" ends. */
const LEAST_CHUNK_BYTES = 1024 * 1024;
/** A registry may copy and hash many gigabytes before it answers the last PUT. */
const COMMIT_TIMEOUT_MS = 15 * 60 * 1000;
/** Statuses by which registries and proxies refuse a whole blob in one request. */
const NOT_IN_ONE_PIECE: ReadonlySet<unknown> = new Set([405, 411, 413, 415, 501]);

/** One upload, at one endpoint. */
interface Upload {
  readonly context: RegistryContext;
  readonly endpoint: Endpoint;
  readonly digest: Digest;
  readonly size: number;
  readonly bytes: ByteCursor;
  readonly request: Pick<SessionRequest, "endpoint" | "scopes" | "what" | "credentials" | "signal">;
  readonly onProgress: (bytes: number) => void;
}

/** Where the registry is with an upload. */
interface UploadState {
  readonly location: URL;
  /** Bytes it has. */
  readonly offset: number;
  /** `OCI-Chunk-Min-Length`, or 0. */
  readonly leastChunk: number;
}

/** True when the registry (not a mirror of it) has the blob. */
export async function hasBlob(
  context: RegistryContext,
  reference: Reference,
  digest: Digest,
  options: RequestOptions = {},
): Promise<boolean> {
  const endpoint = homeOf(context, reference);
  return hasBlobAt(
    context,
    { endpoint, digest },
    commonRequest(endpoint, reference, digest, options, ["pull"]),
  );
}

/**
 * Makes the registry have the blob: it has it, mounts it from another of its repositories, or gets it in one
 * piece. After a cut it goes on from the byte the registry has; where one piece is refused, in chunks.
 */
export async function pushBlob(
  context: RegistryContext,
  reference: Reference,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  open: () => AsyncIterable<Uint8Array>,
  options: PushBlobOptions = {},
): Promise<"exists" | "mounted" | "uploaded"> {
  const endpoint = homeOf(context, reference);
  const request = commonRequest(endpoint, reference, digest, options, ["pull", "push"]);
  if (await hasBlobAt(context, { endpoint, digest }, request)) return "exists";
  const bytes = createByteCursor(open);
  const upload: Upload = {
    context,
    endpoint,
    digest,
    size,
    bytes,
    request,
    onProgress: options.onProgress ?? (() => undefined),
  };
  const started = await tryMounts(upload, reference, options.mountFrom ?? []);
  if (started === "mounted") return "mounted";
  try {
    await run(upload, started);
  } finally {
    await bytes.close();
  }
  return "uploaded";
}

/** Sends everything, whatever it takes. */
async function run(upload: Upload, started: UploadState | undefined): Promise<void> {
  const { context, request } = upload;
  const { policy } = context.session;
  let state = started;
  let inChunks = false;
  let chunkBytes = CHUNK_BYTES;
  let failures = 0;
  let best = 0;
  for (;;) {
    try {
      state ??= await start(upload);
      if (inChunks || state.offset > 0) {
        const patched = await patchRest(upload, state, chunkBytes, (next) => {
          state = next;
        });
        await commit(upload, patched, upload.size);
      } else await commit(upload, state, 0);
      return;
    } catch (error) {
      if (!isPlyError(error) || error.kind === "cancelled") {
        if (state !== undefined) abandon(upload, state);
        throw error;
      }
      const status = error.details["status"];
      if (!inChunks && NOT_IN_ONE_PIECE.has(status)) inChunks = true;
      else if (status === 413 && chunkBytes > LEAST_CHUNK_BYTES) chunkBytes /= 4;
      else if (isTransient(error) || isOutOfStep(error)) {
        const reached = state === undefined ? undefined : await recover(upload, state, error);
        if (reached === "done") return;
        failures = (reached?.offset ?? 0) > best ? 0 : failures + 1;
        best = Math.max(best, reached?.offset ?? 0);
        state = reached;
        if (failures > policy.retries) throw error;
        await wait(retryDelay(failures, policy, error), request.signal);
        continue;
      } else throw error;
      // Refused as it was sent: begin anew in another way.
      if (state !== undefined) abandon(upload, state);
      state = undefined;
    }
  }
}

/** The upload is not where we thought (416), or gone (404): what the registry says now counts. */
function isOutOfStep(error: PlyError): boolean {
  const { status, code } = error.details;
  return status === 416 || code === "BLOB_UPLOAD_UNKNOWN" || code === "BLOB_UPLOAD_INVALID";
}

/** After a failure: what has arrived; undefined when the upload is lost; "done" when only the answer was. */
async function recover(
  upload: Upload,
  state: UploadState,
  cause: PlyError,
): Promise<UploadState | "done" | undefined> {
  const { context, request } = upload;
  try {
    if (await hasBlobAt(context, upload, request)) return "done";
    const response = await context.session.request({
      ...request,
      method: "GET",
      target: state.location,
      expect: [200, 202, 204],
    });
    response.discard();
    const now = stateAfter(response, upload, state);
    return now.offset <= upload.size ? now : undefined;
  } catch (error) {
    if (isPlyError(error, "cancelled")) throw error;
    // Nobody there at all: the first failure says more.
    if (isTransient(error)) throw cause;
    return undefined;
  }
}

async function start(upload: Upload, query = "", scopes: readonly string[] = []): Promise<UploadState> {
  const response = await post(upload, query, scopes, [202]);
  return stateAfter(response, upload, undefined);
}

async function post(
  { context, endpoint, request }: Upload,
  query: string,
  scopes: readonly string[],
  expect: readonly number[],
): Promise<TransportResponse> {
  const response = await context.session.request({
    ...request,
    method: "POST",
    target: `/v2/${endpoint.repository}/blobs/uploads/${query}`,
    scopes: [...request.scopes, ...scopes],
    expect,
    body: { size: 0, async *open() {} },
  });
  response.discard();
  return response;
}

/** "mounted", or an upload that a refused mount has begun, or nothing. */
async function tryMounts(
  upload: Upload,
  reference: Reference,
  candidates: readonly string[],
): Promise<"mounted" | UploadState | undefined> {
  const { context, endpoint, digest } = upload;
  let begun: UploadState | undefined;
  for (const path of candidates.filter((candidate) => candidate !== reference.path).slice(0, MAX_MOUNTS)) {
    const from = homeOf(context, { domain: reference.domain, path });
    if (from.host !== endpoint.host || from.repository === endpoint.repository) continue;
    const query = `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from.repository)}`;
    try {
      const response = await post(upload, query, [scopeOf(from, "pull")], [201, 202]);
      if (begun !== undefined) abandon(upload, begun);
      begun = undefined;
      if (response.status === 201) return "mounted";
      begun = stateAfter(response, upload, undefined);
    } catch (error) {
      // No right to that repository, or no mounts at all: the bytes still go up.
      if (!isPlyError(error) || error.kind === "cancelled") throw error;
    }
  }
  return begun;
}

/** Sends what is missing in PATCH requests; tells of each state reached. */
async function patchRest(
  upload: Upload,
  from: UploadState,
  chunkBytes: number,
  onState: (state: UploadState) => void,
): Promise<UploadState> {
  let state = from;
  while (state.offset < upload.size) {
    const { offset } = state;
    const length = Math.min(Math.max(chunkBytes, state.leastChunk), upload.size - offset);
    const response = await upload.context.session.request({
      ...upload.request,
      method: "PATCH",
      target: state.location,
      headers: {
        "Content-Type": "application/octet-stream",
        "Content-Range": `${offset}-${offset + length - 1}`,
      },
      expect: [201, 202, 204],
      policy: { ...upload.context.session.policy, retries: 0 },
      body: bodyOf(upload, offset, length),
    });
    response.discard();
    const next = stateAfter(response, upload, { ...state, offset: offset + length });
    if (next.offset <= offset || next.offset > offset + length)
      throw new PlyError(
        "invalid",
        `${upload.request.what}: ${upload.endpoint.host} says it has ${next.offset} bytes after a chunk of ${length} from ${offset}`,
      );
    state = next;
    onState(state);
  }
  return state;
}

/** The last PUT, with all bytes from `offset` on. */
async function commit(upload: Upload, state: UploadState, offset: number): Promise<void> {
  const { digest, size, context, request, endpoint } = upload;
  const location = new URL(state.location);
  // By hand: searchParams would write the registry's own part anew, and not always the same.
  location.search += `${location.search === "" ? "?" : "&"}digest=${encodeURIComponent(digest)}`;
  const response = await context.session.request({
    ...request,
    method: "PUT",
    target: location,
    headers: { "Content-Type": "application/octet-stream" },
    expect: [200, 201, 202, 204],
    policy: { ...context.session.policy, retries: 0 },
    answerTimeoutMs: COMMIT_TIMEOUT_MS,
    body: bodyOf(upload, offset, size - offset),
  });
  response.discard();
  const stored = response.header("docker-content-digest");
  if (stored?.startsWith(digest.slice(0, 7)) && stored !== digest)
    throw new PlyError(
      "corrupt",
      `${request.what}: ${endpoint.host} stored it as ${JSON.stringify(stored.slice(0, 150))}`,
    );
}

function bodyOf(
  { bytes, onProgress }: Upload,
  offset: number,
  length: number,
): NonNullable<SessionRequest["body"]> {
  return {
    size: length,
    open: () => bytes.read(offset, length),
    onProgress: (sent) => onProgress(offset + sent),
  };
}

/** Reads Location, Range and OCI-Chunk-Min-Length; `before` is what holds where they are missing. */
function stateAfter(
  response: TransportResponse,
  upload: Upload,
  before: UploadState | undefined,
): UploadState {
  const header = response.header("location");
  const location = header === undefined ? before?.location : parseLocationHeader(header, response.url);
  if (location === undefined)
    throw new PlyError(
      "invalid",
      `${upload.request.what}: ${upload.endpoint.host} began an upload without saying where`,
    );
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.header("range") ?? "")?.[1];
  const least = Number(response.header("oci-chunk-min-length") ?? before?.leastChunk ?? 0);
  return {
    location,
    // "0-0" is how an empty upload is written too.
    offset: last === undefined ? (before?.offset ?? 0) : last === "0" ? 0 : Number(last) + 1,
    leastChunk: Number.isSafeInteger(least) && least > 0 ? least : 0,
  };
}

function parseLocationHeader(header: string, base: URL): URL | undefined {
  return URL.canParse(header, base.href) ? new URL(header, base) : undefined;
}

/** Tells the registry to forget an upload; nobody waits for it, and a registry forgets by itself in time. */
function abandon({ context, request }: Upload, { location }: UploadState): void {
  const { signal: _signal, ...rest } = request;
  context.session
    .request({
      ...rest,
      method: "DELETE",
      target: location,
      expect: [200, 202, 204, 404],
      policy: { ...context.session.policy, retries: 0 },
    })
    .then(
      (response) => response.discard(),
      () => undefined,
    );
}

async function hasBlobAt(
  { session }: RegistryContext,
  { endpoint, digest }: { readonly endpoint: Endpoint; readonly digest: Digest },
  request: Upload["request"],
): Promise<boolean> {
  const response = await session.request({
    ...request,
    method: "HEAD",
    target: `/v2/${endpoint.repository}/blobs/${digest}`,
    expect: [200, 404],
  });
  response.discard();
  return response.status === 200;
}

function commonRequest(
  endpoint: Endpoint,
  reference: Reference,
  digest: Digest,
  options: RequestOptions,
  actions: readonly string[],
): Upload["request"] {
  const { credentials, signal } = optionsAt(endpoint, reference, options);
  return {
    endpoint,
    credentials,
    signal,
    scopes: [scopeOf(endpoint, ...actions)],
    what: `blob ${canonicalName(reference)}@${digest}`,
  };
}
