import { type ErrorKind, isPlyError, messageOf, PlyError } from "../error.ts";
import type { IngestJob, IngestResult } from "./ingest.ts";
import type { IngestLimits } from "./ingest-limit.ts";
import type { SharedMemory } from "./ingest-shared.ts";

/** What a worker thread is for, given when it is made. */
export interface WorkerSetup {
  readonly role: "inflate" | "keep";
  readonly memory: SharedMemory;
}

/** One layer, as both workers are told of it. */
export interface WorkerJob {
  readonly job: IngestJob;
  /** Bytes of the part file that come through the ring first and need not be appended. */
  readonly partSize: number;
  readonly limits: IngestLimits;
}

/** An error on its way between threads. */
export interface SentError {
  readonly kind: ErrorKind;
  readonly message: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * What the workers tell. `problem`: the content is bad (sent once, the worker goes on, so that the digest of the
 * whole stream can still be told). `inflated`: the inflating worker is free again. `kept`: so is the keeping one; a
 * failure means that nothing was kept, no failure and no result that it was stopped.
 */
export type WorkerMessage =
  | { readonly type: "problem"; readonly error: SentError }
  | { readonly type: "inflated"; readonly compression: IngestResult["compression"] }
  | { readonly type: "kept"; readonly result?: KeptLayer; readonly failure?: SentError };

/** What the keeping worker found, all but what the inflating one knows. */
export type KeptLayer = Omit<IngestResult, "compression">;

export function sendError(error: unknown): SentError {
  if (isPlyError(error))
    return { kind: error.kind, message: error.message, hint: error.hint, details: error.details };
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG")
    return {
      kind: "limit",
      message: `the disk is full: ${messageOf(error)}`,
      hint: "free some space, then try again: what was downloaded is kept",
      details: { code },
    };
  return { kind: "internal", message: messageOf(error), hint: undefined, details: { code } };
}

export function receiveError(sent: SentError): PlyError {
  return new PlyError(sent.kind, sent.message, {
    details: sent.details,
    ...(sent.hint === undefined ? {} : { hint: sent.hint }),
  });
}
