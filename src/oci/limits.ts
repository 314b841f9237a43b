/** Bounds on documents from outside. Bytes unless the name says otherwise. */

/** The distribution spec asks registries to take 4 MiB at least, and the peers refuse more. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** Room for thousands of history entries and labels; containerd and Docker stop at 8 and 4 MiB. */
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;

/** Far above the 127 that Docker's overlay allows; what one mount of a stack is known to take. */
export const MAX_LAYERS = 3000;

/** Descriptors in one index. */
export const MAX_INDEX_ENTRIES = 10_000;

/** `urls` of one foreign layer. */
export const MAX_DESCRIPTOR_URLS = 64;

/** Indexes within indexes that a reader follows; real ones need 1, rarely 2. */
export const MAX_INDEX_DEPTH = 4;
