import { isPlyError } from "../error.ts";
import { canonicalName, type Descriptor, type Digest, type Reference } from "../oci/index.ts";
import { createByteCursor } from "./byte-cursor.ts";
import type { PushBlobOptions, RequestOptions } from "./client.ts";
import type { Endpoint } from "./endpoint.ts";
import { homeOf, optionsAt, type RegistryContext, scopeOf } from "./repository.ts";
import { sendBlob } from "./send-blob.ts";
import { abandon, hasBlobAt, postUpload, stateAfter, type Upload, type UploadState } from "./upload-state.ts";

/** Repositories asked for a mount; each costs a request. */
const MAX_MOUNTS = 5;

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
    await sendBlob(upload, started);
  } finally {
    await bytes.close();
  }
  return "uploaded";
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
      const response = await postUpload(upload, query, [scopeOf(from, "pull")], [201, 202]);
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
