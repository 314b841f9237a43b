import { isPlyError, PlyError } from "../error.ts";
import { isTransient, isUnreachable } from "./backoff.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { Endpoint, Scheme } from "./endpoint.ts";
import { registryError } from "./registry-error.ts";
import type { TransportResponse } from "./transport.ts";

/** How a host wants to be talked to. */
export interface HostState {
  readonly scheme: Scheme;
  challenges: readonly Challenge[];
}

/** For the first word by HTTPS to a host that may know only plain HTTP and wait for more. Milliseconds. */
const PROBE_TIMEOUT_MS = 5000;
/** HTTPS to a server that speaks HTTP by now, or the reverse (Go's servers say 400). */
export function saysWrongScheme(error: unknown, endpoint: Endpoint): boolean {
  if (!isPlyError(error) || endpoint.schemes.length < 2) return false;
  const { code, status } = error.details;
  return status === 400 || (typeof code === "string" && /^(EPROTO|ERR_SSL_|HPE_)/.test(code));
}

type Exchange = (
  endpoint: Endpoint,
  request: { readonly method: string; readonly url: URL; readonly answerTimeoutMs?: number | undefined },
) => Promise<TransportResponse>;

/** Finds out by which scheme the host answers `/v2/`, whether it is a registry, and what it asks for. */
export async function ping(endpoint: Endpoint, exchange: Exchange): Promise<HostState> {
  let failure: unknown;
  for (const [i, scheme] of endpoint.schemes.entries()) {
    const isLast = i === endpoint.schemes.length - 1;
    try {
      const response = await exchange(endpoint, {
        method: "GET",
        url: new URL(`${scheme}://${endpoint.host}/v2/`),
        answerTimeoutMs: isLast ? undefined : PROBE_TIMEOUT_MS,
      });
      return { scheme, challenges: await checkRegistry(response, endpoint) };
    } catch (error) {
      // An answer, or a certificate that is not trusted, is no reason to go on in the clear.
      const isSilent = isTransient(error) || isUnreachable(error);
      const hasAnswered = isPlyError(error) && error.details["status"] !== undefined;
      if (!isSilent || hasAnswered || isLast)
        throw failure === undefined || hasAnswered ? error : preferred(failure, error);
      failure = error;
    }
  }
  throw failure;
}

/** Of two failures to connect, the one that says more: a port that is closed to both is simply closed. */
function preferred(byHttps: unknown, byHttp: unknown): unknown {
  return isUnreachable(byHttp) && !isUnreachable(byHttps) ? byHttps : byHttp;
}

async function checkRegistry(response: TransportResponse, endpoint: Endpoint): Promise<readonly Challenge[]> {
  const { status } = response;
  const version = response.header("docker-distribution-api-version");
  const isHtml = /html/i.test(response.header("content-type") ?? "");
  const context = {
    what: `registry ${endpoint.credentialsHost}`,
    credentialsHost: endpoint.credentialsHost,
  };
  if (status >= 500 || status === 429 || status === 408) throw await registryError(response, context);
  const challenges = parseChallenges(response.header("www-authenticate"));
  const isRegistry =
    version !== undefined || (status === 200 && !isHtml) || (status === 401 && challenges.length > 0);
  response.discard();
  if (!isRegistry && status !== 403)
    throw new PlyError(
      "invalid",
      `${endpoint.host} is no registry: it answered /v2/ with status ${status}${isHtml ? " and a web page" : ""}`,
      { details: { status, host: endpoint.host } },
    );
  if (version !== undefined && !version.split(/[ ,]+/).includes("registry/2.0"))
    throw new PlyError(
      "unsupported",
      `${endpoint.host} speaks ${JSON.stringify(version.slice(0, 100))}, not registry/2.0`,
      {
        details: { host: endpoint.host },
      },
    );
  return challenges;
}
