import { fetchBlob, openBlob } from "./blob-download.ts";
import { hasBlob, pushBlob } from "./blob-upload.ts";
import type { RegistryClient, RegistryOptions } from "./client.ts";
import { endpointOfHost, isInsecureHost, registryHostOf } from "./endpoint.ts";
import { lateTransport } from "./late-transport.ts";
import { catalog, tags } from "./listing.ts";
import { deleteManifest, fetchManifest, headManifest } from "./manifest-transfer.ts";
import { pushManifest, referrers } from "./referrers.ts";
import { checkRules } from "./registries-config.ts";
import type { RegistryContext } from "./repository.ts";
import { createSession } from "./session.ts";
import type { Transport } from "./transport.ts";

const DEFAULT_RETRIES = 5;
const DEFAULT_BACKOFF_MS = 250;
const DEFAULT_STALL_TIMEOUT_MS = 30_000;

async function openTransport({
  certsDirs = [],
  stallTimeoutMs = DEFAULT_STALL_TIMEOUT_MS,
  env = process.env,
}: RegistryOptions): Promise<Transport> {
  const [{ createTransport }, { createTlsContexts }, { proxyFor }] = await Promise.all([
    import("./transport.ts"),
    import("./certificates.ts"),
    import("./proxy.ts"),
  ]);
  const tlsFor = createTlsContexts(certsDirs);
  return createTransport({
    stallTimeoutMs,
    tlsFor: (host) => tlsFor([...new Set([host, registryHostOf(host)])]),
    proxyFor: (url) => proxyFor(url, env),
  });
}

/**
 * Opens a client for all registries. It keeps connections, tokens and what it learnt of hosts until it is
 * disposed of; disposing ends its connections. Throws "invalid" for rules that cannot work.
 */
export function openRegistry(options: RegistryOptions): RegistryClient & Disposable {
  const rules = options.rules ?? [];
  checkRules(rules);
  const transport = lateTransport(() => openTransport(options));
  const session = createSession({
    transport,
    policy: {
      retries: options.retries ?? DEFAULT_RETRIES,
      backoffMs: options.backoffMs ?? DEFAULT_BACKOFF_MS,
    },
    userAgent: options.userAgent,
    credentialsFor: options.credentialsFor ?? (async () => undefined),
    isInsecureHost: (host) => isInsecureHost(host, rules),
  });
  const context: RegistryContext = {
    session,
    rules,
    onFallback: options.onFallback ?? (() => undefined),
    restingMirrors: new Map(),
  };
  return {
    login: (host, credentials, { signal } = {}) =>
      session.login(endpointOfHost(host, rules), credentials, signal),
    fetchManifest: (reference, given) => fetchManifest(context, reference, given),
    headManifest: (reference, given) => headManifest(context, reference, given),
    fetchBlob: (reference, descriptor, given) => fetchBlob(context, reference, descriptor, given),
    openBlob: (reference, descriptor, offset, given) =>
      openBlob(context, reference, descriptor, offset, given),
    hasBlob: (reference, digest, given) => hasBlob(context, reference, digest, given),
    pushBlob: (reference, descriptor, open, given) => pushBlob(context, reference, descriptor, open, given),
    pushManifest: (reference, manifest, given) => pushManifest(context, reference, manifest, given),
    tags: (reference, given) => tags(context, reference, given),
    catalog: (host, given) => catalog(context, host, given),
    deleteManifest: (reference, given) => deleteManifest(context, reference, given),
    referrers: (reference, digest, artifactType, given) =>
      referrers(context, reference, digest, artifactType, given),
    [Symbol.dispose]: () => transport.close(),
  };
}
