/** Bounds that keep a hostile layer from filling memory or disk; all may be overridden per pool. */
export interface IngestLimits {
  /** Largest uncompressed tar, in bytes. */
  readonly maxTarBytes: number;
  /** Up to here a tar may be any number of times as large as its compressed form. */
  readonly freeTarBytes: number;
  /** Beyond, it may be at most so many times as large as the compressed bytes read so far. */
  readonly maxRatio: number;
}

/**
 * Deflate reaches 1,030:1 and zstd far more, but only on empty content. A file of zeros of 2 GiB (a swap
 * file, a disk image) is an honest layer; beyond that, honest layers stay under 100:1. An endless stream
 * of zeros stops at 2 GiB, after 2 MB of download; the largest layers in the field have some 40 GB.
 */
export const DEFAULT_INGEST_LIMITS: IngestLimits = {
  maxTarBytes: 64 * 1024 ** 3,
  freeTarBytes: 2 * 1024 ** 3,
  maxRatio: 400,
};

/** Why a tar of `tarBytes` from `compressedBytes` is too much; undefined when it is not. */
export function exceededLimit(
  limits: IngestLimits,
  tarBytes: number,
  compressedBytes: number,
): string | undefined {
  if (tarBytes <= limits.freeTarBytes && tarBytes <= limits.maxTarBytes) return undefined;
  if (tarBytes > limits.maxTarBytes)
    return `the layer inflates to more than ${limits.maxTarBytes} bytes, the most a layer may have`;
  if (tarBytes > compressedBytes * limits.maxRatio)
    return `the layer inflates to more than ${limits.maxRatio} times its compressed size: ${tarBytes} bytes from ${compressedBytes}`;
  return undefined;
}
