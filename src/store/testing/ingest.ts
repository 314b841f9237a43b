import { createHash } from "node:crypto";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { PlyError, throwIfAborted } from "../../error.ts";
import type { DiffId, Digest } from "../../oci/index.ts";
import { digestOf } from "../../oci/index.ts";
import type { LayerIngest } from "../ingest.ts";
import type { LayerRecord, LayerSource } from "../store.ts";

/** A stand-in for the ingest pool: "compressed" is one byte (the form) before the tar. Keeps part files. */
export const plainIngest: LayerIngest = async (job, open, options = {}) => {
  const { signal = new AbortController().signal, onProgress, onVerifying } = options;
  let bytes: Buffer = Buffer.alloc(0);
  if (job.partPath !== undefined) bytes = await readFile(job.partPath).catch(() => Buffer.alloc(0));
  try {
    for await (const chunk of await open(bytes.length, signal)) {
      throwIfAborted(signal);
      if (job.partPath !== undefined) await appendFile(job.partPath, chunk);
      bytes = Buffer.concat([bytes, chunk]);
      onProgress?.(bytes.length);
    }
    throwIfAborted(signal);
    onVerifying?.();
    const tar = bytes.subarray(1);
    const diffId = digestOf(tar) as DiffId;
    if ((job.digest ?? digestOf(bytes)) !== digestOf(bytes) || (job.diffId ?? diffId) !== diffId) {
      if (job.partPath !== undefined) await rm(job.partPath, { force: true });
      throw new PlyError("corrupt", "wrong digest");
    }
    await writeFile(job.tarPath, tar);
    await writeFile(job.indexPath, createHash("md5").update(tar).digest());
    if (job.partPath !== undefined) await rm(job.partPath, { force: true });
    return {
      digest: digestOf(bytes),
      size: bytes.length,
      diffId,
      tarSize: tar.length,
      compression: "gzip",
      entryCount: 1,
      contentSize: tar.length,
    };
  } catch (error) {
    await rm(job.tarPath, { force: true });
    await rm(job.indexPath, { force: true });
    throw error;
  }
};

export const compressedBytes = (content: string, form = "g"): Buffer => Buffer.from(form + content);
export const diffIdOf = (content: string): DiffId => digestOf(Buffer.from(content)) as DiffId;
export const compressedDigest = (content: string, form = "g"): Digest =>
  digestOf(compressedBytes(content, form));

/** A source of a layer with this content; `opened` counts downloads. */
export function sourceOf(
  content: string,
  options: {
    form?: string;
    opened?: () => void;
    /** Awaited before each byte after the first. */
    gate?: () => Promise<void>;
    withDigest?: boolean;
    withDiffId?: boolean;
    repository?: string;
    resumable?: boolean;
  } = {},
): LayerSource {
  const bytes = compressedBytes(content, options.form);
  return {
    ...(options.withDigest === false ? {} : { digest: digestOf(bytes), size: bytes.length }),
    ...(options.withDiffId === false ? {} : { diffId: diffIdOf(content) }),
    ...(options.repository === undefined ? {} : { repository: options.repository }),
    resumable: options.resumable ?? true,
    async open(offset, signal) {
      options.opened?.();
      return (async function* () {
        for (let at = offset; at < bytes.length; at++) {
          if (at > offset) await options.gate?.();
          throwIfAborted(signal);
          yield bytes.subarray(at, at + 1);
        }
      })();
    },
  };
}

/** The tar of a layer as {@link plainIngest} keeps it. */
export async function* plainTar(layer: LayerRecord): AsyncIterable<Uint8Array> {
  yield await readFile(`${layer.dir}/layer.tar`);
}
