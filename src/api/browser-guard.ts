import type { IncomingHttpHeaders } from "node:http";
import { PlyError } from "../error.ts";
import { isLoopback } from "./loopback.ts";

/**
 * A browser on this machine reaches loopback ports, and any web page can make it send requests there. Throws
 * "denied" for a request that a page of another origin made, or that came by a name which is not this machine's
 * (DNS rebinding). Programs that are no browsers send neither.
 */
export function refuseForeignPages(headers: IncomingHttpHeaders): void {
  const { host, origin } = headers;
  if (host !== undefined && !isLoopback(hostName(host)))
    throw new PlyError("denied", `this port serves loopback names only, not ${JSON.stringify(host)}`);
  if (origin !== undefined && hostOf(origin) !== host)
    throw new PlyError("denied", "requests from web pages of other origins are refused");
  if (headers["sec-fetch-site"] === "cross-site")
    throw new PlyError("denied", "requests from web pages of other origins are refused");
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}
