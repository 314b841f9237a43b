import {
  DEFAULT_DOMAIN,
  parseDigest,
  parseReference,
  type Reference,
  repositoryOf,
  withDigest,
  withTag,
} from "../oci/index.ts";

const HUB = `${DEFAULT_DOMAIN}/`;
const OFFICIAL = `${HUB}library/`;

/**
 * `docker.io/library/nginx:latest` → `nginx:latest`: the form users read. For names that the store hands out, and
 * without parsing them: a list has hundreds.
 */
export function familiarForm(canonical: string): string {
  if (!canonical.startsWith(HUB)) return canonical;
  const isOfficial = canonical.startsWith(OFFICIAL);
  const rest = canonical.slice(isOfficial ? OFFICIAL.length : HUB.length);
  const slash = rest.indexOf("/");
  if (slash < 0) return isOfficial ? rest : canonical;
  if (isOfficial) return canonical.slice(HUB.length);
  const first = rest.slice(0, slash);
  // docker.io/example.com/app must not turn into app at example.com.
  return /[.:A-Z]/.test(first) || first === "localhost" ? canonical : rest;
}

/**
 * A name with the tag or digest that came in a parameter of its own: `fromImage=nginx&tag=1.27`. With neither, there
 * or in the name, the reference has none: "all tags" to Docker's API.
 */
export function referenceWithTag(name: string, tag: string | null): Reference {
  const reference = parseReference(name);
  if (tag === null || tag === "") return reference;
  const repository = repositoryOf(reference);
  return tag.includes(":") ? withDigest(repository, parseDigest(tag)) : withTag(repository, tag);
}
