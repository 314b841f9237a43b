import { createHash } from "node:crypto";
import { PlyError } from "../error.ts";
import type { Challenge } from "./challenge.ts";
import { mergeScopes } from "./challenge.ts";
import type { Credentials } from "./client.ts";
import { type Endpoint, hostnameOf, isLoopback } from "./endpoint.ts";
import { cleanText } from "./registry-error.ts";
import { basicAuthorization, fetchToken, type SendToTokenService, type Token } from "./token.ts";

export interface AuthorizationRequest {
  readonly endpoint: Endpoint;
  /** What the registry asked for, last. */
  readonly challenges: readonly Challenge[];
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  /** The registry has just refused what was sent: get a new token. */
  readonly isRefused: boolean;
  /** For a login. */
  readonly wantsRefreshToken?: boolean;
}

export interface Authorization {
  /** The value of the header; undefined: go without. */
  readonly header: string | undefined;
  readonly refreshToken?: string;
}

/** Finds the answer to challenges; keeps tokens per registry, credentials and scopes until they are about to end. */
export interface Authorizer {
  authorize(request: AuthorizationRequest): Promise<Authorization>;
}

/** Tokens kept; the oldest go first. */
const MAX_TOKENS = 500;
/** A token is not used any more when less of its life is left than this, or a tenth of it. Milliseconds. */
const EXPIRY_MARGIN_MS = 20_000;

interface CachedToken {
  readonly token: Promise<Token>;
  /** Milliseconds since 1970; infinite while it is being fetched. */
  staleAt: number;
}

export function createAuthorizer(
  sendFor: (endpoint: Endpoint) => SendToTokenService,
  now: () => number = Date.now,
): Authorizer {
  const tokens = new Map<string, CachedToken>();

  const tokenFor = (id: string, fetch: () => Promise<Token>, isRefused: boolean): Promise<Token> => {
    const known = tokens.get(id);
    // A token still on its way is not the one that was refused.
    const isUsable =
      known !== undefined &&
      now() < known.staleAt &&
      !(isRefused && known.staleAt !== Number.POSITIVE_INFINITY);
    if (isUsable) return known.token;
    const cached: CachedToken = { token: fetch(), staleAt: Number.POSITIVE_INFINITY };
    tokens.delete(id);
    tokens.set(id, cached);
    for (const oldest of tokens.keys()) {
      if (tokens.size <= MAX_TOKENS) break;
      tokens.delete(oldest);
    }
    cached.token.then(
      ({ expiresAt }) => {
        const lifetime = expiresAt - now();
        cached.staleAt = expiresAt - Math.min(EXPIRY_MARGIN_MS, lifetime / 10);
      },
      () => {
        if (tokens.get(id) === cached) tokens.delete(id);
      },
    );
    return cached.token;
  };

  return {
    async authorize({ endpoint, challenges, credentials, isRefused, ...request }) {
      const bearer = challenges.find(({ scheme }) => scheme === "bearer");
      const hasBasic = challenges.some(({ scheme }) => scheme === "basic");
      if (credentials?.registryToken !== undefined && (bearer !== undefined || !hasBasic))
        return isRefused ? { header: undefined } : { header: `Bearer ${credentials.registryToken}` };
      if (bearer === undefined) return { header: hasBasic ? basicAuthorization(credentials) : undefined };
      const realm = realmOf(bearer, endpoint);
      const service = bearer.parameters.get("service");
      const scopes = mergeScopes(request.scopes);
      const wantsRefreshToken = request.wantsRefreshToken === true;
      const fetch = (): Promise<Token> =>
        fetchToken(
          {
            realm,
            service,
            scopes,
            credentials,
            wantsRefreshToken,
            credentialsHost: endpoint.credentialsHost,
          },
          sendFor(endpoint),
          now,
        );
      const id = JSON.stringify([endpoint.host, realm.href, service, scopes, fingerprint(credentials)]);
      const token = wantsRefreshToken ? await fetch() : await tokenFor(id, fetch, isRefused);
      return {
        header: `Bearer ${token.token}`,
        ...(token.refreshToken === undefined ? {} : { refreshToken: token.refreshToken }),
      };
    },
  };
}

/**
 * The token service of a challenge. Plain HTTP only beside a registry that may use it itself, and then only on
 * this machine, at the registry's own host, or for an insecure registry.
 */
function realmOf(challenge: Challenge, endpoint: Endpoint): URL {
  const text = challenge.parameters.get("realm") ?? "";
  const refuse = (why: string): PlyError =>
    new PlyError(
      "invalid",
      `${endpoint.host} sends clients to the token service ${JSON.stringify(cleanText(text).slice(0, 200))}, ${why}`,
      { details: { host: endpoint.host } },
    );
  let realm: URL;
  try {
    realm = new URL(text);
  } catch {
    throw refuse("which is no URL");
  }
  if (realm.username !== "" || realm.password !== "") throw refuse("which carries credentials of its own");
  if (realm.protocol === "https:") return realm;
  if (realm.protocol !== "http:") throw refuse("which is not reached by HTTPS");
  const mayUseHttp =
    endpoint.schemes.includes("http") &&
    (isLoopback(realm.host) || !endpoint.verifiesTls || hostnameOf(realm.host) === hostnameOf(endpoint.host));
  if (!mayUseHttp) throw refuse("which is not encrypted");
  return realm;
}

/** Tells credentials apart without keeping them. */
function fingerprint(credentials: Credentials | undefined): string {
  if (credentials === undefined) return "";
  const { username, password, identityToken, registryToken } = credentials;
  return createHash("sha256")
    .update(JSON.stringify([username, password, identityToken, registryToken]))
    .digest("base64");
}
