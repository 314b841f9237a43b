import type { IncomingHttpHeaders } from "node:http";
import { PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";
import type { Credentials } from "../registry/index.ts";
import { decodeAuthHeader } from "../wire/index.ts";

/** The credentials of `X-Registry-Auth`; undefined when there are none. Throws "invalid". */
export function credentialsOf(headers: IncomingHttpHeaders): Credentials | undefined {
  const header = headers["x-registry-auth"];
  if (typeof header !== "string") return undefined;
  return toCredentials(decodeAuthHeader(header));
}

/** The credentials of `X-Registry-Config`, by registry host. Throws "invalid". */
export function credentialsByHost(headers: IncomingHttpHeaders): ReadonlyMap<string, Credentials> {
  const byHost = new Map<string, Credentials>();
  const header = headers["x-registry-config"];
  if (typeof header !== "string") return byHost;
  for (const [address, auth] of Object.entries(decodeAuthHeader(header))) {
    const credentials = isObject(auth) ? toCredentials(auth) : undefined;
    if (credentials !== undefined) byHost.set(registryHost(address), credentials);
  }
  return byHost;
}

/** Undefined for an auth object in which nothing is filled. Throws "invalid". */
export function toCredentials(auth: Readonly<Record<string, unknown>>): Credentials | undefined {
  const text = (name: string) => {
    const value = auth[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  let username = text("username");
  let password = text("password");
  const packed = text("auth");
  if (username === undefined && packed !== undefined) {
    const pair = Buffer.from(packed, "base64").toString("utf8");
    const colon = pair.indexOf(":");
    if (colon < 0)
      throw new PlyError("invalid", "invalid registry credentials: auth is not base64 of user:password");
    username = pair.slice(0, colon);
    // Docker's config writers pad with NUL.
    password = pair.slice(colon + 1).replace(/\0+$/, "");
  }
  const identityToken = text("identitytoken");
  const registryToken = text("registrytoken");
  if (username === undefined && identityToken === undefined && registryToken === undefined) return undefined;
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(identityToken === undefined ? {} : { identityToken }),
    ...(registryToken === undefined ? {} : { registryToken }),
  };
}

/** `https://index.docker.io/v1/` and its like are `docker.io`; else the host of an address with or without scheme. */
export function registryHost(address: string): string {
  const host = address.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
  return host === "index.docker.io" || host === "registry-1.docker.io" || host === "" ? "docker.io" : host;
}
