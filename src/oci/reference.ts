import { PlyError } from "../error.ts";
import { type Digest, parseDigest } from "./digest.ts";

/**
 * A parsed image name (distribution/reference grammar). `domain` and `path` are canonical:
 * `nginx` has domain `docker.io` and path `library/nginx`.
 */
export interface Reference {
  /** Host, with port and IPv6 brackets where given: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** Repository path within the registry: `library/nginx`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export const DEFAULT_DOMAIN = "docker.io";
export const DEFAULT_TAG = "latest";
/** Characters of a repository path (distribution/reference, RepositoryNameTotalLengthMax). */
export const MAX_NAME_LENGTH = 255;
/** Characters of a tag. */
const MAX_TAG_LENGTH = 128;

/** What Docker's official images live under at docker.io. */
const OFFICIAL_NAMESPACE = "library";
/** Name, tag and a sha512 digest fit well; nothing longer is worth a regular expression. */
const MAX_REFERENCE_LENGTH = 1024;

const DOMAIN_COMPONENT = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = new RegExp(
  `^(?:${DOMAIN_COMPONENT}(?:\\.${DOMAIN_COMPONENT})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`,
);
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;

/**
 * Parses a name as users write it, with Docker's defaults for domain and namespace; a missing tag stays
 * missing ({@link withDefaultTag}). Throws "invalid" in Docker's words, with what is wrong in the hint.
 */
export function parseReference(text: string): Reference {
  if (text === "") throw invalid("", "a name looks like nginx, nginx:1.27 or ghcr.io/owner/app@sha256:…");
  if (text.length > MAX_REFERENCE_LENGTH)
    throw invalid(`${text.slice(0, 64)}…`, `it is ${text.length} characters long`);
  const at = text.indexOf("@");
  const named = at < 0 ? text : text.slice(0, at);
  if (/^[a-f0-9]{64}$/.test(named))
    throw new PlyError(
      "invalid",
      `invalid repository name (${named}), cannot specify 64-byte hexadecimal strings`,
      { hint: "an image id is not a name: write sha256:ID where an image is expected" },
    );
  const { domain, remainder } = splitDomain(named);
  const colon = remainder.indexOf(":");
  const path = colon < 0 ? remainder : remainder.slice(0, colon);
  if (path.toLowerCase() !== path)
    throw new PlyError("invalid", `invalid reference format: repository name (${path}) must be lowercase`, {
      details: { reference: text },
    });
  checkName(domain, path, text);
  const tag = colon < 0 ? undefined : remainder.slice(colon + 1);
  if (tag !== undefined) checkTag(tag, text);
  const digest = at < 0 ? undefined : digestOfReference(text.slice(at + 1), text);
  return {
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The repository alone, canonical: `docker.io/library/nginx`. */
export function canonicalName(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** The whole reference, canonical: `docker.io/library/nginx:1.27@sha256:…`. */
export function canonicalString(reference: Reference): string {
  return canonicalName(reference) + suffixOf(reference);
}

/** The repository as users write it: `nginx`, `owner/app`, `ghcr.io/owner/app`. Parses back to the same. */
export function familiarName(reference: Reference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return canonicalName(reference);
  const parts = reference.path.split("/");
  const [first = "", second = ""] = parts;
  if (parts.length === 2 && first === OFFICIAL_NAMESPACE) return second;
  // docker.io/example.com/app must not turn into app at example.com.
  return parts.length > 1 && looksLikeDomain(first) ? canonicalName(reference) : reference.path;
}

/** The whole reference as users write it: `nginx:1.27`. */
export function familiarString(reference: Reference): string {
  return familiarName(reference) + suffixOf(reference);
}

/** With this tag in place of its own; a digest stays. Throws "invalid" for a malformed tag. */
export function withTag(reference: Reference, tag: string): Reference {
  checkTag(tag, `${familiarName(reference)}:${tag}`);
  return { ...reference, tag };
}

/** With `latest` where it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: DEFAULT_TAG }
    : reference;
}

/** With this digest in place of its own; a tag stays. */
export function withDigest(reference: Reference, digest: Digest): Reference {
  return { ...reference, digest };
}

/** Only the repository, without tag and digest. */
export function repositoryOf(reference: Reference): Reference {
  return { domain: reference.domain, path: reference.path };
}

function suffixOf(reference: Reference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  return reference.digest === undefined ? tag : `${tag}@${reference.digest}`;
}

/** The first component is a domain when it cannot be a namespace: distribution/reference, splitDockerDomain. */
function looksLikeDomain(component: string): boolean {
  return /[.:]/.test(component) || component === "localhost" || component.toLowerCase() !== component;
}

function splitDomain(named: string): { domain: string; remainder: string } {
  const slash = named.indexOf("/");
  const first = slash < 0 ? "" : named.slice(0, slash);
  const isDomain = slash >= 0 && looksLikeDomain(first);
  const given = isDomain ? first : DEFAULT_DOMAIN;
  const domain = given === "index.docker.io" ? DEFAULT_DOMAIN : given;
  const rest = isDomain ? named.slice(slash + 1) : named;
  const isOfficial = domain === DEFAULT_DOMAIN && !rest.includes("/");
  return { domain, remainder: isOfficial ? `${OFFICIAL_NAMESPACE}/${rest}` : rest };
}

function checkName(domain: string, path: string, text: string): void {
  if (!DOMAIN.test(domain)) throw invalid(text, `${JSON.stringify(domain)} is not a host name`);
  if (path.length > MAX_NAME_LENGTH)
    throw new PlyError(
      "invalid",
      `invalid reference format: repository name must not be more than ${MAX_NAME_LENGTH} characters`,
      { details: { reference: text } },
    );
  for (const component of path.split("/"))
    if (!PATH_COMPONENT.test(component))
      throw invalid(text, `${JSON.stringify(component)} is not a valid part of a repository name`);
}

function checkTag(tag: string, text: string): void {
  if (TAG.test(tag)) return;
  throw invalid(
    text,
    tag.length > MAX_TAG_LENGTH
      ? `the tag is longer than ${MAX_TAG_LENGTH} characters`
      : `${JSON.stringify(tag)} is not a valid tag`,
  );
}

function digestOfReference(digest: string, text: string): Digest {
  try {
    return parseDigest(digest);
  } catch (cause) {
    throw new PlyError(
      "invalid",
      `invalid reference format: ${cause instanceof Error ? cause.message : "digest"}`,
      {
        cause,
        details: { reference: text },
      },
    );
  }
}

function invalid(text: string, why: string): PlyError {
  return new PlyError("invalid", "invalid reference format", {
    hint: text === "" ? why : `${JSON.stringify(text)}: ${why}`,
    details: { reference: text },
  });
}
