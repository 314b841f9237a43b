import { isPlyError, PlyError, throwIfAborted } from "../error.ts";
import { createAuthorizer } from "./authorizer.ts";
import { isUnreachable, type RetryPolicy, withRetries } from "./backoff.ts";
import { parseChallenges } from "./challenge.ts";
import type { Credentials, CredentialsFor } from "./client.ts";
import { type Endpoint, hostnameOf } from "./endpoint.ts";
import { type HostState, ping, saysWrongScheme } from "./ping.ts";
import { followRedirects } from "./redirect.ts";
import { registryError } from "./registry-error.ts";
import type { RequestBody, Transport, TransportResponse } from "./transport.ts";

/** One request to a registry. */
export interface SessionRequest {
  readonly endpoint: Endpoint;
  readonly method: string;
  /** Path and query below the host (`/v2/…`), or a URL the registry gave (an upload's Location). */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly scopes: readonly string[];
  /** Statuses to return; any other becomes an error. */
  readonly expect: readonly number[];
  /** What is asked for, to begin an error with: `manifest ghcr.io/o/app:1`. */
  readonly what: string;
  readonly answerTimeoutMs?: number;
  /** Overrides the session's own. */
  readonly policy?: RetryPolicy;
  readonly credentials?: Credentials | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Requests to registries with authentication, redirects and retries. Remembers how each host is talked to. */
export interface Session {
  readonly policy: RetryPolicy;
  /** Less patient with a mirror: there is another place to go to. */
  policyFor(endpoint: Endpoint): RetryPolicy;
  /** The answer, whose body the caller must read or discard. */
  request(request: SessionRequest): Promise<TransportResponse>;
  /** The answer and its whole body, of at most `maxBytes`; a break while reading is tried again too. */
  read(
    request: SessionRequest,
    maxBytes: number,
  ): Promise<{ readonly response: TransportResponse; readonly bytes: Uint8Array }>;
  /** Checks these credentials at `/v2/`. Throws "denied" when they are not taken. */
  login(
    endpoint: Endpoint,
    credentials: Credentials,
    signal: AbortSignal | undefined,
  ): Promise<{ identityToken?: string }>;
  /** A GET to some other server, without any credentials: the `urls` of a foreign layer. */
  getElsewhere(
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<TransportResponse>;
}

export interface SessionOptions {
  readonly transport: Transport;
  readonly policy: RetryPolicy;
  readonly userAgent: string;
  readonly credentialsFor: CredentialsFor;
  readonly isInsecureHost: (host: string) => boolean;
}

/** A registry may come back with TLS, or without; asking again costs one small request. */
const HOST_STATE_MS = 5 * 60_000;
/** Asking a credential helper costs a process; a login counts after this time at the latest, or after a refusal. */
const CREDENTIALS_MS = 30_000;
/** Tries after the first at a mirror. */
const MIRROR_RETRIES = 1;
/** Hosts remembered; more only in an attack. */
const MAX_HOSTS = 1000;

export function createSession(options: SessionOptions): Session {
  const { transport, policy } = options;
  const hosts = new Map<string, { state: Promise<HostState>; until: number }>();
  const credentials = new Map<string, { found: Promise<Credentials | undefined>; until: number }>();

  const policyFor = (endpoint: Endpoint): RetryPolicy =>
    endpoint.isMirror ? { ...policy, retries: Math.min(MIRROR_RETRIES, policy.retries) } : policy;

  /** One exchange, redirects followed; the header goes only to where the request goes first. */
  const exchange = (
    endpoint: Endpoint,
    request: {
      readonly method: string;
      readonly url: URL;
      readonly headers?: Readonly<Record<string, string>> | undefined;
      readonly body?: RequestBody | undefined;
      readonly authorization?: string | undefined;
      readonly answerTimeoutMs?: number | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<TransportResponse> =>
    followRedirects(transport, {
      ...request,
      headers: { "User-Agent": options.userAgent, Accept: "*/*", ...request.headers },
      verifiesTls: (host) =>
        hostnameOf(host) === hostnameOf(endpoint.host) ? endpoint.verifiesTls : !options.isInsecureHost(host),
    });

  const authorizer = createAuthorizer(
    (endpoint) =>
      ({ url, headers: { Authorization, ...headers }, ...rest }) =>
        withRetries(async () => {
          const response = await exchange(endpoint, { ...rest, url, headers, authorization: Authorization });
          if (response.status >= 500 || response.status === 429)
            throw await registryError(response, {
              what: `token for ${endpoint.credentialsHost}`,
              credentialsHost: endpoint.credentialsHost,
            });
          return response;
        }, policyFor(endpoint)),
  );

  const hostId = (endpoint: Endpoint): string =>
    `${endpoint.host} ${endpoint.schemes.join()} ${endpoint.verifiesTls}`;

  const connect = async (endpoint: Endpoint, signal: AbortSignal | undefined): Promise<HostState> => {
    const id = hostId(endpoint);
    const known = hosts.get(id);
    let state = known !== undefined && Date.now() < known.until ? known.state : undefined;
    if (state === undefined) {
      if (hosts.size >= MAX_HOSTS) hosts.clear();
      // Shared by all who wait for this host, so that no single caller's signal may end it.
      state = withRetries(() => ping(endpoint, exchange), policyFor(endpoint));
      hosts.set(id, { state, until: Date.now() + HOST_STATE_MS });
      state.catch(() => {
        hosts.delete(id);
        transport.forget(endpoint.host);
      });
    }
    return abortable(state, signal);
  };

  const credentialsOf = (host: string): Promise<Credentials | undefined> => {
    const known = credentials.get(host);
    if (known !== undefined && Date.now() < known.until) return known.found;
    if (credentials.size >= MAX_HOSTS) credentials.clear();
    const found = options.credentialsFor(host);
    credentials.set(host, { found, until: Date.now() + CREDENTIALS_MS });
    found.catch(() => credentials.delete(host));
    return found;
  };

  const send = async (request: SessionRequest): Promise<TransportResponse> => {
    const { endpoint, signal } = request;
    const state = await connect(endpoint, signal);
    const base = new URL(`${state.scheme}://${endpoint.host}`);
    const url = targetUrl(request.target, base);
    const isHome = url.origin === base.origin;
    const authorize = async (scopes: readonly string[], isRefused: boolean): Promise<string | undefined> => {
      const { challenges } = state;
      if (!isHome || challenges.length === 0) return undefined;
      const work = async (): Promise<string | undefined> => {
        const known = request.credentials ?? (await credentialsOf(endpoint.credentialsHost));
        const wish = { endpoint, challenges, scopes, credentials: known, isRefused };
        return (await authorizer.authorize(wish)).header;
      };
      return abortable(work(), signal);
    };
    const attempt = (authorization: string | undefined): Promise<TransportResponse> =>
      exchange(endpoint, { ...request, url, authorization });
    const authorization = await authorize(request.scopes, false);
    const response = await attempt(authorization);
    if (response.status !== 401 || response.url.origin !== base.origin) return response;
    const challenges = parseChallenges(response.header("www-authenticate"));
    if (challenges.length > 0) state.challenges = challenges;
    credentials.delete(endpoint.credentialsHost);
    const asked = challenges.flatMap(({ parameters }) => parameters.get("scope")?.split(" ") ?? []);
    const renewed = await authorize([...request.scopes, ...asked.slice(0, 20)], true);
    if (renewed === undefined || renewed === authorization) return response;
    response.discard();
    return attempt(renewed);
  };

  const checked = async (request: SessionRequest): Promise<TransportResponse> => {
    try {
      const response = await send(request);
      if (request.expect.includes(response.status)) return response;
      throw await registryError(response, {
        what: request.what,
        credentialsHost: request.endpoint.credentialsHost,
      });
    } catch (error) {
      if (saysWrongScheme(error, request.endpoint)) hosts.delete(hostId(request.endpoint));
      // A host that has answered before and is gone now may be coming back.
      if (!isUnreachable(error) || !isPlyError(error) || !hosts.has(hostId(request.endpoint))) throw error;
      throw new PlyError(error.kind, error.message, {
        cause: error,
        details: { ...error.details, transient: true },
      });
    }
  };

  const login: Session["login"] = async (endpoint, credentials, signal) => {
    const { scheme, challenges } = await connect(endpoint, signal);
    const url = new URL(`${scheme}://${endpoint.host}/v2/`);
    const { header, refreshToken } = await abortable(
      authorizer.authorize({
        endpoint,
        challenges,
        scopes: [],
        credentials,
        isRefused: false,
        wantsRefreshToken: true,
      }),
      signal,
    );
    const response = await withRetries(
      () => exchange(endpoint, { method: "GET", url, authorization: header, signal }),
      policy,
      signal,
    );
    if (response.status !== 200)
      throw await registryError(response, {
        what: `login to ${endpoint.credentialsHost}`,
        credentialsHost: endpoint.credentialsHost,
      });
    response.discard();
    return refreshToken === undefined ? {} : { identityToken: refreshToken };
  };

  return {
    policy,
    policyFor,
    request: (request) =>
      withRetries(() => checked(request), request.policy ?? policyFor(request.endpoint), request.signal),
    read: (request, maxBytes) =>
      withRetries(
        async () => {
          const response = await checked(request);
          return { response, bytes: await response.read(maxBytes, request.what) };
        },
        request.policy ?? policyFor(request.endpoint),
        request.signal,
      ),
    async login(endpoint, credentials, signal) {
      try {
        return await login(endpoint, credentials, signal);
      } catch (error) {
        // "Log in" is no advice to one who does.
        if (!isPlyError(error, "denied")) throw error;
        const said = error.details["registryMessage"] ?? error.message;
        throw new PlyError("denied", `login to ${endpoint.credentialsHost}: ${said}`, {
          hint: "check the user name and the password or access token",
          cause: error,
          details: error.details,
        });
      }
    },
    getElsewhere: (url, headers, signal) =>
      followRedirects(transport, {
        method: "GET",
        url,
        headers: { "User-Agent": options.userAgent, Accept: "*/*", ...headers },
        verifiesTls: (host) => !options.isInsecureHost(host),
        signal,
      }),
  };
}

/** A Location with `http://` for our own HTTPS host is a proxy's mistake that all clients mend. */
function targetUrl(target: string | URL, base: URL): URL {
  const url = new URL(target, base);
  if (url.protocol === "http:" && base.protocol === "https:" && url.hostname === base.hostname)
    return new URL(`${url.pathname}${url.search}`, base);
  if (url.protocol !== "https:" && url.protocol !== base.protocol)
    throw new PlyError(
      "invalid",
      `${base.host} leads from HTTPS to ${url.protocol}//${url.host}, which is not encrypted`,
    );
  return url;
}

/** Waits for shared work; an abort ends the waiting, not the work. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  // Left alone by an abort, it may still fail.
  work.catch(() => undefined);
  throwIfAborted(signal);
  if (signal === undefined) return work;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () =>
      reject(new PlyError("cancelled", "the operation was cancelled", { cause: signal.reason }));
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
  }
}
