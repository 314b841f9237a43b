import { codeOf, isPlyError, messageOf, PlyError } from "../error.ts";

/** Ends a connection that is silent for too long. */
export interface StallClock {
  /** A byte moved. A given timeout holds from now on. */
  touch(timeoutMs?: number): void;
  /** Nothing is waited for until the next touch. */
  pause(): void;
  /** For good: a later touch does nothing. */
  stop(): void;
}

export function startStallClock(firstTimeoutMs: number, onStall: (error: Error) => void): StallClock {
  let timeoutMs = firstTimeoutMs;
  const ring = (): void =>
    onStall(Object.assign(new Error(`no byte in ${timeoutMs / 1000} s`), { code: "ESTALLED" }));
  let timer = setTimeout(ring, timeoutMs);
  let isStopped = false;
  return {
    touch(newTimeoutMs = timeoutMs) {
      timeoutMs = newTimeoutMs;
      clearTimeout(timer);
      if (isStopped) return;
      timer = setTimeout(ring, timeoutMs);
    },
    pause: () => clearTimeout(timer),
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

/** Codes of Node's and OpenSSL's verification of certificates. */
const CERTIFICATE =
  /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT|UNABLE_TO_|INVALID_CA$|INVALID_PURPOSE$|HOSTNAME_MISMATCH$|ERR_SSL_TLSV1_ALERT|ERR_SSL_SSLV3_ALERT|ERR_SSL_TLSV13_ALERT)/;

/** Nothing was there to talk to, and why. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name cannot be resolved for now",
  EAI_FAIL: "the name cannot be resolved",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
  EADDRNOTAVAIL: "address not available",
};

/** Turns what a socket threw into a PlyError; passes PlyErrors (of a body's source) on. */
export function connectionFailure(error: unknown, url: URL, signal: AbortSignal | undefined): PlyError {
  if (signal?.aborted)
    return new PlyError("cancelled", "the operation was cancelled", { cause: signal.reason });
  if (isPlyError(error)) return error;
  const code = networkCodeOf(error);
  const details = { code, host: url.host };
  if (CERTIFICATE.test(code))
    return new PlyError(
      "unavailable",
      `the TLS certificate of ${url.host} is not trusted: ${messageOf(error)}`,
      {
        cause: error,
        hint: `put the registry's CA into certs.d/${url.host}/ca.crt, or mark the registry as insecure`,
        details: { ...details, certificate: true },
      },
    );
  const unreachable = unreachableReason(error);
  if (unreachable !== undefined)
    return new PlyError("unavailable", `cannot connect to ${url.host}: ${unreachable}`, {
      cause: error,
      details: { ...details, unreachable: true },
    });
  const message =
    code === "ESTALLED"
      ? `${url.host} stopped answering: ${messageOf(error)}`
      : `the connection to ${url.host} broke: ${messageOf(error)}`;
  return new PlyError("unavailable", message, { cause: error, details: { ...details, transient: true } });
}

/** Why nothing was there to talk to, in the words of people; undefined when it was something else. */
export function unreachableReason(error: unknown): string | undefined {
  const code = networkCodeOf(error);
  return Object.hasOwn(UNREACHABLE, code) ? UNREACHABLE[code] : undefined;
}

function networkCodeOf(error: unknown): string {
  if (error instanceof AggregateError) return networkCodeOf(error.errors[0]);
  return codeOf(error) ?? "";
}
