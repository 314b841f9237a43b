import type { DiffId, Digest } from "../oci/index.ts";

/** What one layer's way into the store needs to know. Paths are in the same directory tree; the caller owns them. */
export interface IngestJob {
  /** Where to write the uncompressed tar (padded with zeros to 512 bytes) and the index. Created, fdatasynced. */
  readonly tarPath: string;
  readonly indexPath: string;
  /** Compressed bytes that an earlier try kept; read first, then appended to. Absent: nothing is kept. */
  readonly partPath?: string;
  /** Expected digest and size (bytes) of the stream as it comes. */
  readonly digest?: Digest;
  readonly size?: number;
  readonly diffId?: DiffId;
}

export interface IngestResult {
  /** Of the stream as it came. */
  readonly digest: Digest;
  readonly size: number;
  /** Of the uncompressed tar (without our padding). */
  readonly diffId: DiffId;
  readonly tarSize: number;
  readonly compression: "none" | "gzip" | "zstd";
  readonly entryCount: number;
  /** Sum of the file sizes (bytes) that the layer brings. */
  readonly contentSize: number;
}

export interface IngestOptions {
  readonly signal?: AbortSignal;
  /** Bytes of the compressed stream consumed so far, those of the part file included. */
  readonly onProgress?: (bytes: number) => void;
  /** Called once all bytes are in and the last checks run. */
  readonly onVerifying?: () => void;
}

/**
 * Opens the stream at a byte offset (0, or the length of the part file). The pool stops reading when the
 * worker falls behind.
 */
export type OpenStream = (offset: number, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;

/** Worker threads that take layers in: verify, inflate, hash, write, index. */
export interface IngestPool extends AsyncDisposable {
  /**
   * Takes one layer in. On any failure tarPath and indexPath are gone; partPath stays when its bytes may
   * still be good (line cut, cancelled) and is removed when they are not (wrong digest, corrupt).
   * Throws: corrupt (digest, size, DiffID, gzip, tar), limit (a bomb), invalid (a hostile path), cancelled, unavailable.
   */
  ingest(job: IngestJob, open: OpenStream, options?: IngestOptions): Promise<IngestResult>;
}
