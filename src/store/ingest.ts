import type { DiffId, Digest } from "../oci/index.ts";

/**
 * What the store needs from `layer/`'s ingest pool (its `ingest`, structurally the same; the rooms are peers).
 * On failure tarPath and indexPath are gone; partPath stays only while its bytes may still be good.
 */
export type LayerIngest = (
  job: {
    readonly tarPath: string;
    readonly indexPath: string;
    readonly partPath?: string;
    readonly digest?: Digest;
    readonly size?: number;
    readonly diffId?: DiffId;
  },
  open: (offset: number, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>,
  options?: {
    readonly signal?: AbortSignal;
    readonly onProgress?: (bytes: number) => void;
    readonly onVerifying?: () => void;
  },
) => Promise<Ingested>;

export interface Ingested {
  readonly digest: Digest;
  readonly size: number;
  readonly diffId: DiffId;
  readonly tarSize: number;
  readonly compression: "none" | "gzip" | "zstd";
  readonly entryCount: number;
  readonly contentSize: number;
}
