import type { RequestOptions } from "../registry/index.ts";
import type { TransferOptions } from "./images.ts";

/** What the registry client needs to know of a transfer. */
export function requestOf(transfer: Pick<TransferOptions, "credentials" | "signal">): RequestOptions {
  return {
    ...(transfer.credentials === undefined ? {} : { credentials: transfer.credentials }),
    ...(transfer.signal === undefined ? {} : { signal: transfer.signal }),
  };
}
