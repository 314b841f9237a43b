import { createHash } from "node:crypto";
import { closeSync, fdatasync, ftruncateSync, openSync, writeSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { PlyError } from "../error.ts";
import { algorithmOf, type Digest, parseDiffId, parseDigest } from "../oci/index.ts";
import { createTarScanner, tarPadding } from "../tar/index.ts";
import { createEntryCollector } from "./from-tar.ts";
import { encodeIndex } from "./index-codec.ts";
import type { IngestJob } from "./ingest.ts";
import type { KeptLayer } from "./ingest-message.ts";
import type { SharedView } from "./ingest-shared.ts";

/** After so many bytes the disk is set to work, so that the sync at the end finds little left to do. */
const SYNC_EVERY_BYTES = 8 * 1024 * 1024;

/** What is kept may hold anything, /etc/shadow too. */
const FILE_MODE = 0o600;

/** Zeros of this length are not written. A swap file or a disk image in a layer then takes no space, nor does a bomb. */
const HOLE_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(HOLE_BYTES);

const syncData = promisify(fdatasync);

export interface KeepOptions {
  readonly job: IngestJob;
  /** Bytes of the part file, which come through the ring first and are not appended again. */
  readonly partSize: number;
  /** Called at most once: the content is bad. Then only the digest of the input goes on. */
  readonly onProblem: (error: PlyError) => void;
}

/**
 * The keeping thread's work: appends the input ring to the part file and hashes it; hashes, scans and writes
 * what comes out of the output ring; at the end checks digests, syncs, writes the index, removes the part.
 * Undefined when it was stopped (the part file then has all that was in the ring) or the content is bad.
 * Throws "corrupt" for a wrong digest, and errors of the file system; files are then left to the caller.
 */
export async function keepLayer(shared: SharedView, options: KeepOptions): Promise<KeptLayer | undefined> {
  const { job } = options;
  const compressed = openCompressed(job, options.partSize);
  try {
    const tar = openTar(job);
    try {
      let isBroken = false;
      const attempt = <T>(work: () => T): T | undefined => {
        try {
          return work();
        } catch (error) {
          if (!(error instanceof PlyError)) throw error;
          isBroken = true;
          options.onProblem(error);
          return undefined;
        }
      };
      const { inputOfKeeper: input, outputOfKeeper: output } = shared;
      for (;;) {
        const seen = shared.bell();
        // Asked before the ring: what came before the stop is in it.
        const { isStopped } = shared;
        const compressedBytes = input.peek();
        if (compressedBytes !== undefined) {
          compressed.add(compressedBytes);
          input.release();
        }
        if (isStopped) {
          if (compressedBytes === undefined) return undefined;
          continue;
        }
        const tarBytes = output.peek();
        if (tarBytes !== undefined) {
          if (!isBroken) attempt(() => tar.add(tarBytes));
          output.release();
          await tar.pace();
        } else if (compressedBytes === undefined) {
          if (input.end !== "open" && output.end !== "open") break;
          shared.wait(seen);
        }
      }
      const digest = compressed.verify();
      if (isBroken || output.end === "broken") return undefined;
      attempt(() => tar.verify());
      if (isBroken) return undefined;
      const kept = await tar.finish();
      return { ...kept, digest, size: compressed.size() };
    } finally {
      await tar.close();
    }
  } finally {
    compressed.close();
  }
}

/**
 * A layer that is an uncompressed tar, in memory, kept as {@link keepLayer} does it. Throws "corrupt", "invalid" and errors of the
 * file system; files are then left to the caller.
 */
export async function keepWhole(job: IngestJob, bytes: Uint8Array): Promise<KeptLayer> {
  const compressed = openCompressed(job, 0);
  try {
    const tar = openTar(job);
    try {
      compressed.add(bytes);
      const digest = compressed.verify();
      tar.add(bytes);
      tar.verify();
      return { ...(await tar.finish()), digest, size: bytes.length };
    } finally {
      await tar.close();
    }
  } finally {
    compressed.close();
  }
}

/** The stream as it came: its digest, and the part file. */
function openCompressed(job: IngestJob, partSize: number) {
  const algorithm = job.digest === undefined ? "sha256" : algorithmOf(job.digest);
  const hash = createHash(algorithm);
  const fd = job.partPath === undefined ? undefined : openSync(job.partPath, "a", FILE_MODE);
  let size = 0;
  return {
    size: () => size,
    add: (bytes: Uint8Array): void => {
      if (fd !== undefined) {
        const known = Math.min(bytes.length, Math.max(0, partSize - size));
        writeAll(fd, known === 0 ? bytes : bytes.subarray(known));
      }
      hash.update(bytes);
      size += bytes.length;
    },
    verify: (): Digest => {
      const digest = parseDigest(`${algorithm}:${hash.digest("hex")}`);
      if (job.size !== undefined && size !== job.size)
        throw new PlyError("corrupt", `the layer has ${size} bytes, not ${job.size}`);
      if (job.digest !== undefined && digest !== job.digest)
        throw new PlyError("corrupt", `the layer's bytes have the digest ${digest}, not ${job.digest}`, {
          hint: "try again; if it stays so, the registry's copy is damaged",
          details: { digest, expected: job.digest },
        });
      return digest;
    },
    close: (): void => {
      if (fd !== undefined) closeSync(fd);
    },
  };
}

/** The uncompressed tar: its hash, its entries, its file. */
function openTar(job: IngestJob) {
  const algorithm = job.diffId === undefined ? "sha256" : algorithmOf(job.diffId);
  const hash = createHash(algorithm);
  const collector = createEntryCollector();
  const scanner = createTarScanner({ onEntry: (entry) => collector.add(entry) });
  const fd = openSync(job.tarPath, "w", FILE_MODE);
  let size = 0;
  let diffId: Digest | undefined;
  let nextSync = SYNC_EVERY_BYTES;
  let syncing: Promise<unknown> | undefined;
  return {
    add: (bytes: Uint8Array): void => {
      scanner.push(bytes);
      writeSparse(fd, bytes, size);
      hash.update(bytes);
      size += bytes.length;
    },
    /** Sets the disk to work from time to time, while the rest is still coming. */
    pace: async (): Promise<void> => {
      if (size < nextSync) return;
      nextSync = size + SYNC_EVERY_BYTES;
      // Its end is told by the event loop, which this thread's blocking waits hold up.
      await setImmediate();
      syncing ??= syncData(fd)
        // The last sync reports what is wrong.
        .catch(() => undefined)
        .finally(() => {
          syncing = undefined;
        });
    },
    verify: (): void => {
      scanner.end();
      diffId = parseDiffId(`${algorithm}:${hash.digest("hex")}`);
      if (job.diffId !== undefined && diffId !== job.diffId)
        throw new PlyError("corrupt", `the layer's tar has the DiffID ${diffId}, not ${job.diffId}`, {
          hint: "the image's config and its layers do not belong together",
          details: { diffId, expected: job.diffId },
        });
    },
    finish: async (): Promise<Omit<KeptLayer, "digest" | "size">> => {
      // The end may be a hole too.
      ftruncateSync(fd, size + tarPadding(size).length);
      const synced = syncData(fd);
      const entries = collector.finish();
      const index = openSync(job.indexPath, "w", FILE_MODE);
      try {
        writeAll(index, encodeIndex(entries));
        await Promise.all([synced, syncData(index)]);
      } finally {
        closeSync(index);
      }
      if (job.partPath !== undefined) await unlink(job.partPath);
      let contentSize = 0;
      for (const entry of entries) contentSize += entry.size;
      return {
        diffId: parseDiffId(diffId ?? ""),
        tarSize: size,
        entryCount: entries.length,
        contentSize,
      };
    },
    close: async (): Promise<void> => {
      // A sync that still runs must not meet another file under the same number.
      await syncing;
      closeSync(fd);
    },
  };
}

/** Writes at `position`, but leaves long runs of zeros to the file system, which keeps holes for nothing. */
function writeSparse(fd: number, bytes: Uint8Array, position: number): void {
  let from = 0;
  for (let at = 0; at < bytes.length; at += HOLE_BYTES) {
    const end = Math.min(at + HOLE_BYTES, bytes.length);
    if (!isZero(bytes, at, end)) continue;
    writeAll(fd, bytes.subarray(from, at), position + from);
    from = end;
  }
  writeAll(fd, bytes.subarray(from), position + from);
}

function isZero(bytes: Uint8Array, from: number, end: number): boolean {
  // Most data is no run of zeros, and shows it at once.
  if (bytes[from] !== 0 || bytes[end - 1] !== 0) return false;
  return ZEROS.compare(bytes, from, end, 0, end - from) === 0;
}

function writeAll(fd: number, bytes: Uint8Array, position?: number): void {
  for (let at = 0; at < bytes.length; )
    at += writeSync(fd, bytes, at, bytes.length - at, position === undefined ? null : position + at);
}
