export { createDecompressor } from "./create.ts";
export { decompress } from "./decompress-stream.ts";
export type { Decompressor, OutputSink } from "./decompressor.ts";
export { createDeflatePool } from "./deflate-pool.ts";
export { type Deflater, zlibDeflater } from "./deflater.ts";
export { type Compression, DETECT_BYTES, detectCompression } from "./detect.ts";
export { type GzipOptions, gzipStream } from "./gzip.ts";
export { type ZstdOptions, zstdStream } from "./zstd.ts";
