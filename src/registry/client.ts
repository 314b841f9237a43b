import type { PlyError } from "../error.ts";
import type { Descriptor, Digest, Platform, Reference } from "../oci/index.ts";

/** Basic credentials or an identity token (OAuth2 refresh token), as `X-Registry-Auth` carries them. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  /** A ready bearer token. */
  readonly registryToken?: string;
}

/** Called per registry host; undefined: go anonymous. */
export type CredentialsFor = (host: string) => Promise<Credentials | undefined>;

/** The same by the domain of an image's name, where somebody else may have to be asked. */
export type CredentialsOf = (domain: string) => Credentials | undefined | Promise<Credentials | undefined>;

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** Overrides the client's own source of credentials for this call. */
  readonly credentials?: Credentials;
}

/** A manifest or index as it came, bit for bit. */
export interface FetchedManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
}

export interface PushBlobOptions extends RequestOptions {
  /** Repositories of the same registry (paths) that may have the blob: tried as cross-repository mounts. */
  readonly mountFrom?: readonly string[];
  /** Bytes sent so far. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * The distribution protocol against any registry: resolves mirrors, blocks and rewrites, authenticates,
 * retries, resumes. Safe to share; tokens are cached per registry and scope.
 * All throw: not-found, denied, unavailable, invalid (not a registry, bad answer), corrupt, limit, cancelled.
 */
export interface RegistryClient {
  /** Checks `/v2/` (and the credentials). Returns the identity token when the registry handed one out. */
  login(
    host: string,
    credentials: Credentials,
    options?: RequestOptions,
  ): Promise<{ identityToken?: string }>;
  /** The manifest or index a reference names; verified when the reference has a digest. At most 4 MiB… see limits. */
  fetchManifest(reference: Reference, options?: RequestOptions): Promise<FetchedManifest>;
  /** Digest, type and size without the body; undefined when it is not there. */
  headManifest(reference: Reference, options?: RequestOptions): Promise<Descriptor | undefined>;
  /** A small blob (config), whole and verified. */
  fetchBlob(reference: Reference, descriptor: Descriptor, options?: RequestOptions): Promise<Uint8Array>;
  /**
   * A blob as a stream from `offset` bytes on. Resumes by Range where the connection breaks, with backoff.
   * Not verified: the reader does that. Falls back to the descriptor's `urls` for foreign layers.
   */
  openBlob(
    reference: Reference,
    descriptor: Descriptor,
    offset: number,
    options?: RequestOptions,
  ): Promise<AsyncIterable<Uint8Array>>;
  hasBlob(reference: Reference, digest: Digest, options?: RequestOptions): Promise<boolean>;
  /** Uploads unless it is there; says how it got there. `open` may be called again on a retry. */
  pushBlob(
    reference: Reference,
    descriptor: Pick<Descriptor, "digest" | "size">,
    open: () => AsyncIterable<Uint8Array>,
    options?: PushBlobOptions,
  ): Promise<"exists" | "mounted" | "uploaded">;
  /** Puts a manifest under the reference's tag or digest. */
  pushManifest(reference: Reference, manifest: FetchedManifest, options?: RequestOptions): Promise<void>;
  tags(reference: Reference, options?: RequestOptions): Promise<string[]>;
  catalog(host: string, options?: RequestOptions): Promise<string[]>;
  deleteManifest(reference: Reference, options?: RequestOptions): Promise<void>;
  referrers(
    reference: Reference,
    digest: Digest,
    artifactType?: string,
    options?: RequestOptions,
  ): Promise<Descriptor[]>;
}

/** A mirror that failed (or a registry without a foreign layer), so that the next place was tried. */
export interface Fallback {
  readonly host: string;
  /** What was wanted, canonical. */
  readonly name: string;
  readonly error: PlyError;
}

/** One registry or repository prefix and where it is really fetched from. */
export interface RegistryRule {
  /** `docker.io`, `docker.io/library`, `*.example.com`; the longest match wins. */
  readonly prefix: string;
  /** Replaces the prefix: `mirror.local:5000/hub`. */
  readonly location?: string;
  /** Tried in order before `location`, for pulls only: `http://127.0.0.1:5001`, `mirror.local/hub`. */
  readonly mirrors?: readonly string[];
  readonly blocked?: boolean;
  /** Plain HTTP, or TLS without verification, is allowed. */
  readonly insecure?: boolean;
}

export interface RegistryOptions {
  readonly rules?: readonly RegistryRule[];
  /** Folders laid out as `/etc/docker/certs.d`: `HOST[:PORT]/{*.crt,*.cert,*.key}`. */
  readonly certsDirs?: readonly string[];
  readonly credentialsFor?: CredentialsFor;
  readonly userAgent: string;
  /** Where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are read; the process's own when absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Tries per request after the first, before giving up; a blob's are counted anew after each byte. Default 5. */
  readonly retries?: number;
  /** The first wait between tries, about; it doubles each time. Milliseconds. Default 250. */
  readonly backoffMs?: number;
  /** Milliseconds without a byte after which a connection counts as broken. */
  readonly stallTimeoutMs?: number;
  /** Told of each mirror that failed, so that the next place was tried. */
  readonly onFallback?: (failure: Fallback) => void;
  readonly platform?: Platform;
}
