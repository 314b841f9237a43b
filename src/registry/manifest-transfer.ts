import { isPlyError, PlyError } from "../error.ts";
import {
  algorithmOf,
  canonicalName,
  type Descriptor,
  type Digest,
  digestOf,
  isManifestType,
  isSchema1Type,
  MANIFEST_TYPES,
  MAX_MANIFEST_BYTES,
  parseDigest,
  parseManifest,
  type Reference,
} from "../oci/index.ts";
import type { FetchedManifest, RequestOptions } from "./client.ts";
import type { Endpoint } from "./endpoint.ts";
import { homeOf, optionsAt, pullFrom, type RegistryContext, scopeOf } from "./repository.ts";
import type { SessionRequest } from "./session.ts";
import type { TransportResponse } from "./transport.ts";

const ACCEPT = [...MANIFEST_TYPES, "application/json;q=0.5"].join(", ");

/** Fetches what the reference names, from a mirror or the registry; verified against its digest. */
export function fetchManifest(
  context: RegistryContext,
  reference: Reference,
  options: RequestOptions = {},
): Promise<FetchedManifest> {
  return pullFrom(context, reference, (endpoint) => fetchManifestAt(context, endpoint, reference, options));
}

/** The same from one endpoint. */
export async function fetchManifestAt(
  context: RegistryContext,
  endpoint: Endpoint,
  reference: Reference,
  options: RequestOptions,
): Promise<FetchedManifest> {
  const request = manifestRequest(endpoint, reference, "GET", options);
  const { response, bytes } = await context.session.read(request, MAX_MANIFEST_BYTES);
  const announced = contentType(response);
  if (isSchema1Type(announced)) parseManifest(bytes, announced);
  if (/html/i.test(announced))
    throw new PlyError(
      "invalid",
      `${request.what}: ${endpoint.host} answered with a web page, not a manifest`,
      {
        details: { host: endpoint.host },
      },
    );
  const stated = statedDigest(response);
  const digest = digestOf(bytes, algorithmOf(reference.digest ?? stated ?? digestOf("")));
  if (reference.digest !== undefined && digest !== reference.digest)
    throw new PlyError(
      "corrupt",
      `${request.what}: ${endpoint.host} sent a manifest whose digest is ${digest}`,
      {
        details: { host: endpoint.host, digest },
      },
    );
  if (stated !== undefined && stated !== digestOf(bytes, algorithmOf(stated)))
    throw new PlyError(
      "corrupt",
      `${request.what}: ${endpoint.host} says its digest is ${stated}, but it is ${digest}`,
      { details: { host: endpoint.host, digest } },
    );
  const mediaType = isManifestType(announced) ? announced : parseManifest(bytes, announced).mediaType;
  return { bytes, mediaType, digest };
}

/** What the reference names, without its content; undefined when the registry has no such thing. */
export async function headManifest(
  context: RegistryContext,
  reference: Reference,
  options: RequestOptions = {},
): Promise<Descriptor | undefined> {
  try {
    return await pullFrom(context, reference, async (endpoint) => {
      const request = manifestRequest(endpoint, reference, "HEAD", options);
      const response = await context.session.request(request);
      response.discard();
      const mediaType = contentType(response);
      const size = Number(response.header("content-length") ?? Number.NaN);
      const digest = statedDigest(response) ?? reference.digest;
      if (digest !== undefined && Number.isSafeInteger(size) && isManifestType(mediaType)) {
        if (reference.digest !== undefined && reference.digest !== digest)
          throw new PlyError("corrupt", `${request.what}: ${endpoint.host} answers for ${digest}`);
        return { mediaType, digest, size };
      }
      // A registry that leaves out what HEAD should tell.
      const whole = await fetchManifestAt(context, endpoint, reference, options);
      return { mediaType: whole.mediaType, digest: whole.digest, size: whole.bytes.byteLength };
    });
  } catch (error) {
    if (isPlyError(error, "not-found")) return undefined;
    throw error;
  }
}

/** Puts a manifest; returns whether the registry has taken note of its `subject` by itself. */
export async function putManifest(
  context: RegistryContext,
  reference: Reference,
  manifest: FetchedManifest,
  options: RequestOptions = {},
): Promise<{ readonly knowsSubject: boolean }> {
  const endpoint = homeOf(context, reference);
  const { bytes, mediaType, digest } = manifest;
  if (digestOf(bytes, algorithmOf(digest)) !== digest)
    throw new PlyError("corrupt", `the manifest to push is not the one of digest ${digest}`);
  const named =
    reference.tag === undefined ? { ...reference, digest: reference.digest ?? digest } : reference;
  const request = manifestRequest(endpoint, named, "PUT", options);
  const response = await context.session.request({
    ...request,
    target: `/v2/${endpoint.repository}/manifests/${named.tag ?? named.digest}`,
    headers: { "Content-Type": mediaType },
    scopes: [scopeOf(endpoint, "pull", "push")],
    expect: [200, 201, 202],
    body: {
      size: bytes.byteLength,
      async *open() {
        yield bytes;
      },
    },
  });
  response.discard();
  const stored = statedDigest(response);
  if (stored !== undefined && algorithmOf(stored) === algorithmOf(digest) && stored !== digest)
    throw new PlyError(
      "corrupt",
      `${request.what}: ${endpoint.host} stored it as ${stored}, not as ${digest}`,
    );
  return { knowsSubject: response.header("oci-subject") !== undefined };
}

/**
 * Deletes by digest when the reference has one: the manifest with all its tags. Else only the tag, which
 * many registries cannot: "unsupported", with the digest in the hint.
 */
export async function deleteManifest(
  context: RegistryContext,
  reference: Reference,
  options: RequestOptions = {},
): Promise<void> {
  const endpoint = homeOf(context, reference);
  const request = manifestRequest(endpoint, reference, "DELETE", options);
  try {
    const response = await context.session.request({
      ...request,
      scopes: [scopeOf(endpoint, "delete", "pull", "push")],
      expect: [200, 202, 204],
    });
    response.discard();
  } catch (error) {
    const status = isPlyError(error) ? error.details["status"] : undefined;
    if (reference.digest !== undefined || (status !== 400 && status !== 405)) throw error;
    const head = await headManifest(context, reference, options);
    if (head === undefined) throw error;
    throw new PlyError("unsupported", `${request.what}: ${endpoint.host} cannot delete a tag alone`, {
      cause: error,
      hint: `delete ${canonicalName(reference)}@${head.digest}, which removes all tags of that manifest`,
      details: { digest: head.digest },
    });
  }
}

function manifestRequest(
  endpoint: Endpoint,
  reference: Reference,
  method: string,
  options: RequestOptions,
): SessionRequest {
  const name = reference.digest ?? reference.tag ?? "latest";
  return {
    ...optionsAt(endpoint, reference, options),
    endpoint,
    method,
    target: `/v2/${endpoint.repository}/manifests/${name}`,
    headers: { Accept: ACCEPT },
    scopes: [scopeOf(endpoint, "pull")],
    expect: [200],
    what: `manifest ${canonicalName(reference)}${reference.digest === undefined ? ":" : "@"}${name}`,
  };
}

function contentType(response: TransportResponse): string {
  return (response.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** `Docker-Content-Digest` where it is there and well formed; anything else says nothing. */
function statedDigest(response: TransportResponse): Digest | undefined {
  const text = response.header("docker-content-digest");
  if (text === undefined) return undefined;
  try {
    return parseDigest(text.trim());
  } catch {
    return undefined;
  }
}
