import { createHash } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { messageOf, PlyError } from "../../error.ts";
import { unreachableReason } from "../../registry/index.ts";

/** What a server said of an address. */
export interface RemoteFile {
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
  /** Seconds since 1970; 0 when the server does not say. */
  readonly mtimeSeconds: number;
  /** The last name of the address, or the server's word; "" when there is none. */
  readonly name: string;
  /** By which the server tells whether it has changed; absent: it cannot. */
  readonly etag?: string;
  readonly lastModified?: string;
}

export interface DownloadOptions {
  /** For the `Authorization` header, asked for each address that a redirect leads to. */
  readonly authorization?: (url: URL) => string | undefined;
  /** What was there last time: it is returned when the server says that nothing has changed; no file is written then. */
  readonly known?: RemoteFile | undefined;
  readonly signal: AbortSignal;
}

/** As browsers and curl have it. */
const MAX_REDIRECTS = 20;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/** Fetches an address into a file. Throws "unavailable", "denied" or "not-found" with the address and what the server said. */
export async function download(
  address: string,
  file: string,
  { authorization = () => undefined, known, signal }: DownloadOptions,
): Promise<RemoteFile> {
  const response = await request(address, { authorization, known, signal });
  if (response.status === 304 && known !== undefined) return known;
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new PlyError(
      response.status === 404 ? "not-found" : [401, 403].includes(response.status) ? "denied" : "unavailable",
      `cannot fetch ${shown(address)}: the server answered ${response.status} ${response.statusText}`,
      response.status === 401 || response.status === 403
        ? { hint: `--secret id=HTTP_AUTH_TOKEN_${new URL(address).hostname} gives a token for it` }
        : {},
    );
  }
  const hash = createHash("sha256");
  let size = 0;
  try {
    await using output = await open(file, "wx", 0o600);
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      size += chunk.length;
      await output.writeFile(chunk);
    }
  } catch (cause) {
    await rm(file, { force: true });
    if (signal.aborted) throw new PlyError("cancelled", "the build was cancelled", { cause });
    throw new PlyError("unavailable", `fetching ${shown(address)}: ${(cause as Error).message}`, { cause });
  }
  const { headers } = response;
  const [etag, lastModified] = [headers.get("etag"), headers.get("last-modified")];
  const modified = Date.parse(lastModified ?? "");
  const disposition = /filename="?([^";/]+)"?/i.exec(headers.get("content-disposition") ?? "")?.[1];
  return {
    size,
    sha256: hash.digest("hex"),
    mtimeSeconds: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
    name: decodeURIComponent(new URL(address).pathname.split("/").at(-1) ?? "") || (disposition ?? ""),
    ...(etag === null ? {} : { etag }),
    ...(lastModified === null ? {} : { lastModified }),
  };
}

/** Follows redirects by hand: what lets in at one host is not for the next one. */
async function request(
  address: string,
  { authorization, known, signal }: DownloadOptions & Required<Pick<DownloadOptions, "authorization">>,
): Promise<Response> {
  let url = new URL(address);
  for (let count = 0; count <= MAX_REDIRECTS; count++) {
    const headers = new Headers();
    const password = url.username === "" ? undefined : basicOf(url);
    const authorized = authorization(url) ?? password;
    if (authorized !== undefined) headers.set("Authorization", authorized);
    if (known?.etag !== undefined) headers.set("If-None-Match", known.etag);
    else if (known?.lastModified !== undefined) headers.set("If-Modified-Since", known.lastModified);
    const bare = new URL(url);
    bare.username = "";
    bare.password = "";
    let response: Response;
    try {
      // Servers give other bytes, and other tags, to those who can decompress.
      headers.set("Accept-Encoding", "identity");
      response = await fetch(bare, { signal, redirect: "manual", headers });
    } catch (cause) {
      if (signal.aborted) throw new PlyError("cancelled", "the build was cancelled", { cause });
      const reason = unreachableReason(cause) ?? messageOf(cause);
      throw new PlyError("unavailable", `cannot fetch ${shown(address)}: ${reason}`, { cause });
    }
    const location = response.headers.get("location");
    if (!REDIRECTS.has(response.status) || location === null) return response;
    await response.body?.cancel();
    url = new URL(location, bare);
    if (!isUrl(url.href))
      throw new PlyError("unavailable", `cannot fetch ${shown(address)}: it leads to ${url.protocol}`);
  }
  throw new PlyError("unavailable", `cannot fetch ${shown(address)}: more than ${MAX_REDIRECTS} redirects`);
}

function basicOf({ username, password }: URL): string {
  const words = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(words).toString("base64")}`;
}

/** Without what may be a password. */
export function shown(address: string): string {
  return address.replace(/^([a-z+]+:\/\/)[^/@]*@/i, "$1");
}
