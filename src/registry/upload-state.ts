import { PlyError } from "../error.ts";
import type { Digest } from "../oci/index.ts";
import type { ByteCursor } from "./byte-cursor.ts";
import type { Endpoint } from "./endpoint.ts";
import type { RegistryContext } from "./repository.ts";
import type { SessionRequest } from "./session.ts";
import type { TransportResponse } from "./transport.ts";

/** One upload, at one endpoint. */
export interface Upload {
  readonly context: RegistryContext;
  readonly endpoint: Endpoint;
  readonly digest: Digest;
  readonly size: number;
  readonly bytes: ByteCursor;
  readonly request: Pick<SessionRequest, "endpoint" | "scopes" | "what" | "credentials" | "signal">;
  readonly onProgress: (bytes: number) => void;
}

/** Where the registry is with an upload. */
export interface UploadState {
  readonly location: URL;
  /** Bytes it has. */
  readonly offset: number;
  /** `OCI-Chunk-Min-Length`, or 0. */
  readonly leastChunk: number;
}

/** Begins an upload. */
export async function startUpload(upload: Upload): Promise<UploadState> {
  return stateAfter(await postUpload(upload, "", [], [202]), upload, undefined);
}

/** The request that begins an upload or, with a query for it (and the scope that needs), mounts. */
export async function postUpload(
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

/** Reads Location, Range and OCI-Chunk-Min-Length; `before` is what holds where they are missing. */
export function stateAfter(
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
export function abandon({ context, request }: Upload, { location }: UploadState): void {
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

export async function hasBlobAt(
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
