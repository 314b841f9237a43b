export { byteString, bytesOf, shownPath } from "./byte-string.ts";
export type { SparseExtent, TarEntry, TarEntryType } from "./entry.ts";
export { MAX_ENTRIES, MAX_METADATA_BYTES, TAR_BLOCK } from "./limit.ts";
export { quoteBytes } from "./quote.ts";
export { readTar, type TarContent } from "./read.ts";
export { createTarScanner, NO_XATTRS, type TarScanner, type TarScanOptions } from "./scan.ts";
export { TAR_END, type TarHeaderFields, tarHeader, tarPadding } from "./write.ts";
