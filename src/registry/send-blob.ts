import { isPlyError, PlyError } from "../error.ts";
import { isTransient, retryDelay, wait } from "./backoff.ts";
import type { SessionRequest } from "./session.ts";
import {
  abandon,
  hasBlobAt,
  startUpload,
  stateAfter,
  type Upload,
  type UploadState,
} from "./upload-state.ts";

/** One PATCH of a chunked upload: large enough to cost nothing, small enough for proxies. Bytes. */
const CHUNK_BYTES = 16 * 1024 * 1024;

/** Where halving the chunks after "too large" ends. */
const LEAST_CHUNK_BYTES = 1024 * 1024;

/** A registry may copy and hash many gigabytes before it answers the last PUT. */
const COMMIT_TIMEOUT_MS = 15 * 60 * 1000;
/** Statuses by which registries and proxies refuse a whole blob in one request. */
const NOT_IN_ONE_PIECE: ReadonlySet<unknown> = new Set([405, 411, 413, 415, 501]);

/** Sends a blob's bytes, beginning with an upload that is already started or a new one, whatever it takes. */
export async function sendBlob(upload: Upload, started: UploadState | undefined): Promise<void> {
  const { context, request } = upload;
  const { policy } = context.session;
  let state = started;
  let inChunks = false;
  let chunkBytes = CHUNK_BYTES;
  let failures = 0;
  let best = 0;
  for (;;) {
    try {
      state ??= await startUpload(upload);
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
