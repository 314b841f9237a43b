import { createHash } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { PlyError } from "../error.ts";

export interface Download {
  readonly file: string;
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
  /** Seconds since 1970; 0 when the server does not say. */
  readonly mtimeSeconds: number;
  /** What the server says it is: `application/gzip`. */
  readonly contentType: string;
  /** By the server, or the last name of the address; "" when there is none. */
  readonly name: string;
}

export function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/** Fetches an address into a file. Throws "unavailable" or "not-found" with the address and what the server said. */
export async function download(address: string, file: string, signal: AbortSignal): Promise<Download> {
  let response: Response;
  try {
    response = await fetch(address, { signal, redirect: "follow" });
  } catch (cause) {
    if (signal.aborted) throw new PlyError("cancelled", "the build was cancelled", { cause });
    throw new PlyError("unavailable", `cannot fetch ${shown(address)}: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new PlyError(
      response.status === 404 ? "not-found" : "unavailable",
      `cannot fetch ${shown(address)}: the server answered ${response.status} ${response.statusText}`,
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
  const modified = Date.parse(response.headers.get("last-modified") ?? "");
  const disposition = /filename="?([^";/]+)"?/i.exec(response.headers.get("content-disposition") ?? "")?.[1];
  return {
    file,
    size,
    sha256: hash.digest("hex"),
    mtimeSeconds: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
    contentType: (response.headers.get("content-type") ?? "").split(";", 1)[0]?.trim() ?? "",
    name: disposition ?? decodeURIComponent(new URL(address).pathname.split("/").at(-1) ?? ""),
  };
}

/** Without what may be a password. */
export function shown(address: string): string {
  return address.replace(/^([a-z+]+:\/\/)[^/@]*@/i, "$1");
}
