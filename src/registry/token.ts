import { PlyError } from "../error.ts";
import { type JsonObject, parseJsonObject } from "../oci/index.ts";
import type { Credentials } from "./client.ts";
import { registryError, shownUrl } from "./registry-error.ts";
import type { RequestBody, TransportResponse } from "./transport.ts";

/** A bearer token and until when it is good. */
export interface Token {
  readonly token: string;
  /** Milliseconds since 1970, by this machine's clock. */
  readonly expiresAt: number;
  /** The OAuth2 refresh token ("identity token"), when one was asked for and given. */
  readonly refreshToken?: string;
}

export interface TokenRequest {
  /** The challenge's `realm`. */
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  /** Ask for a refresh token too: for a login. */
  readonly wantsRefreshToken: boolean;
  readonly credentialsHost: string;
}

export interface TokenHttpRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
}

/** Sends one request to a token service, following redirects without taking credentials elsewhere. */
export type SendToTokenService = (request: TokenHttpRequest) => Promise<TransportResponse>;

const CLIENT_ID = "ply";
const MAX_TOKEN_ANSWER_BYTES = 1024 * 1024;
const MAX_TOKEN_LENGTH = 64 * 1024;
/** What the spec says where the service does not (distribution, auth/token: `expires_in`). */
const DEFAULT_LIFETIME_SECONDS = 60;
const MAX_LIFETIME_SECONDS = 24 * 60 * 60;

/**
 * Gets a token: by OAuth2 POST for an identity token; else by GET, with basic auth when there is a password,
 * and by POST where the service knows no GET. Throws denied, unavailable, invalid.
 */
export async function fetchToken(
  request: TokenRequest,
  send: SendToTokenService,
  now: () => number = Date.now,
): Promise<Token> {
  const { credentials } = request;
  if (credentials?.identityToken !== undefined)
    return readToken(
      request,
      await send(
        postRequest(request, { grant_type: "refresh_token", refresh_token: credentials.identityToken }),
      ),
      now(),
    );
  const response = await send(getRequest(request));
  const isRefusedMethod = response.status === 405 || response.status === 404;
  if (!isRefusedMethod || credentials?.username === undefined) return readToken(request, response, now());
  response.discard();
  return readToken(
    request,
    await send(
      postRequest(request, {
        grant_type: "password",
        username: credentials.username,
        password: credentials.password ?? "",
      }),
    ),
    now(),
  );
}

/** `Basic …`; undefined without a user name. */
export function basicAuthorization(credentials: Credentials | undefined): string | undefined {
  if (credentials?.username === undefined || credentials.username === "") return undefined;
  const pair = `${credentials.username}:${credentials.password ?? ""}`;
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}

function getRequest(request: TokenRequest): TokenHttpRequest {
  const url = new URL(request.realm);
  if (request.service !== undefined) url.searchParams.set("service", request.service);
  for (const scope of request.scopes) url.searchParams.append("scope", scope);
  const authorization = basicAuthorization(request.credentials);
  if (authorization !== undefined && request.credentials?.username !== undefined)
    url.searchParams.set("account", request.credentials.username);
  if (request.wantsRefreshToken) {
    url.searchParams.set("offline_token", "true");
    url.searchParams.set("client_id", CLIENT_ID);
  }
  return { method: "GET", url, headers: authorization === undefined ? {} : { Authorization: authorization } };
}

function postRequest(request: TokenRequest, grant: Readonly<Record<string, string>>): TokenHttpRequest {
  const form = new URLSearchParams(grant);
  form.set("client_id", CLIENT_ID);
  if (request.service !== undefined) form.set("service", request.service);
  if (request.scopes.length > 0) form.set("scope", request.scopes.join(" "));
  if (request.wantsRefreshToken) form.set("access_type", "offline");
  const bytes = new TextEncoder().encode(form.toString());
  return {
    method: "POST",
    url: request.realm,
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: {
      size: bytes.byteLength,
      async *open() {
        yield bytes;
      },
    },
  };
}

async function readToken(request: TokenRequest, response: TransportResponse, now: number): Promise<Token> {
  const what = `token for ${request.credentialsHost}`;
  if (response.status !== 200)
    throw await registryError(response, { what, credentialsHost: request.credentialsHost });
  const document = parseJsonObject(
    await response.read(MAX_TOKEN_ANSWER_BYTES, `the ${what}`),
    `token from ${shownUrl(request.realm)}`,
    MAX_TOKEN_ANSWER_BYTES,
  );
  const token = [document["token"], document["access_token"]].find(
    (value) => typeof value === "string" && value !== "",
  );
  // Anything else would break out of the header it is to be put into.
  if (typeof token !== "string" || token.length > MAX_TOKEN_LENGTH || !/^[\x21-\x7e]+$/.test(token))
    throw new PlyError("invalid", `${shownUrl(request.realm)} answered without a usable token`);
  const refreshToken = document["refresh_token"];
  return {
    token,
    expiresAt: expiryOf(document, now),
    ...(typeof refreshToken === "string" && refreshToken !== "" ? { refreshToken } : {}),
  };
}

/**
 * When the token ends, by our clock. `issued_at` shortens its life when an answer was cached on the way; one
 * that makes no sense (in the future, or so old that the token was dead on arrival: the clocks differ) does not count.
 */
function expiryOf(document: JsonObject, now: number): number {
  const given = document["expires_in"];
  const seconds =
    typeof given === "number" && given > 0 ? Math.min(given, MAX_LIFETIME_SECONDS) : DEFAULT_LIFETIME_SECONDS;
  const issuedAt = typeof document["issued_at"] === "string" ? Date.parse(document["issued_at"]) : Number.NaN;
  const age = now - issuedAt;
  const lifetime = seconds * 1000;
  return now + (age > 0 && age < lifetime ? lifetime - age : lifetime);
}
