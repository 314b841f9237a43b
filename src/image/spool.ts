import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { throwIfAborted } from "../error.ts";
import { type Digest, parseDigest } from "../oci/index.ts";

/** A stream written down under `ingest/` because its digest must be known before it is sent. Dispose to delete it. */
export interface Spool extends AsyncDisposable {
  readonly digest: Digest;
  readonly size: number;
  /** From the start, as often as needed. */
  open(): AsyncIterable<Uint8Array>;
}

const READ_BYTES = 256 * 1024;

/** Writes a stream to a temporary file of the store; nothing is left when that fails. */
export async function spoolStream(
  root: string,
  stream: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<Spool> {
  const path = join(root, "ingest", `${randomUUID()}.push`);
  const hash = createHash("sha256");
  let size = 0;
  try {
    await using file = await open(path, "wx", 0o600);
    for await (const chunk of stream) {
      throwIfAborted(signal);
      hash.update(chunk);
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
      size += chunk.length;
    }
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  return {
    digest: parseDigest(`sha256:${hash.digest("hex")}`),
    size,
    open: () => createReadStream(path, { highWaterMark: READ_BYTES }),
    [Symbol.asyncDispose]: () => rm(path, { force: true }),
  };
}
