import { isPlyError, PlyError } from "../error.ts";
import { canonicalName, type Reference } from "../oci/index.ts";
import { isTransient, isUnreachable } from "./backoff.ts";
import type { Fallback, RegistryRule, RequestOptions } from "./client.ts";
import { type Endpoint, endpointsOf } from "./endpoint.ts";
import type { Session } from "./session.ts";

/** What the operations on repositories share. */
export interface RegistryContext {
  readonly session: Session;
  readonly rules: readonly RegistryRule[];
  /** Told of each place that was tried in vain before another one. */
  readonly onFallback: (failure: Fallback) => void;
  /** Hosts of mirrors that are out of order, and until when they are left alone: milliseconds since 1970. */
  readonly restingMirrors: Map<string, number>;
}

/** So long a broken mirror holds nobody up; a repaired one is soon in use again. */
const MIRROR_REST_MS = 30_000;

/** Where to pull from, best first, without the mirrors that have just failed. */
export function pullEndpoints(context: RegistryContext, reference: Reference): Endpoint[] {
  const now = Date.now();
  for (const [host, until] of context.restingMirrors) if (until <= now) context.restingMirrors.delete(host);
  return endpointsOf(reference, context.rules, "pull").filter(
    ({ isMirror, host }) => !isMirror || !context.restingMirrors.has(host),
  );
}

/** Notes the failure of a place that another one will make good: tells of it, and rests a mirror that is out of order. */
export function fellBack(
  context: RegistryContext,
  place: { readonly host: string; readonly isMirror: boolean },
  failure: Omit<Fallback, "host">,
): void {
  const { error } = failure;
  if (place.isMirror && (isTransient(error) || isUnreachable(error)))
    context.restingMirrors.set(place.host, Date.now() + MIRROR_REST_MS);
  context.onFallback({ host: place.host, ...failure });
}

/** Token scopes (distribution, auth/scope). */
export function scopeOf(endpoint: Endpoint, ...actions: readonly string[]): string {
  return `repository:${endpoint.repository}:${actions.join(",")}`;
}

/** The credentials a caller gave are for the registry in the reference: no mirror or other location sees them. */
export function optionsAt(endpoint: Endpoint, reference: Reference, options: RequestOptions): RequestOptions {
  if (endpoint.credentialsHost === reference.domain) return options;
  return options.signal === undefined ? {} : { signal: options.signal };
}

/** Where a push (and all that is about the registry itself) goes. */
export function homeOf(context: RegistryContext, reference: Reference): Endpoint {
  const home = endpointsOf(reference, context.rules, "push").at(-1);
  if (home === undefined) throw new PlyError("internal", `no endpoint for ${canonicalName(reference)}`);
  return home;
}

/**
 * Tries the mirrors in order, then the registry; any failure of a mirror leads on to the next. Throws the
 * registry's error; `details.mirrors` says what the mirrors said.
 */
export async function pullFrom<T>(
  context: RegistryContext,
  reference: Reference,
  attempt: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  const failed: string[] = [];
  for (const endpoint of pullEndpoints(context, reference)) {
    try {
      return await attempt(endpoint);
    } catch (error) {
      if (!isPlyError(error) || error.kind === "cancelled") throw error;
      if (!endpoint.isMirror) throw failed.length === 0 ? error : withMirrors(error, failed);
      failed.push(`${endpoint.host}: ${error.message}`);
      fellBack(context, endpoint, { name: canonicalName(reference), error });
    }
  }
  throw new PlyError("internal", `no endpoint for ${canonicalName(reference)}`);
}

function withMirrors(error: PlyError, mirrors: readonly string[]): PlyError {
  return new PlyError(error.kind, `${error.message} (mirrors failed too: ${mirrors.join("; ")})`, {
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    details: { ...error.details, mirrors },
  });
}
