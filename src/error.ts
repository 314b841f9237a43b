/**
 * What the caller can do about a failure; the API maps each kind to one HTTP status.
 *
 * invalid: mend the input. not-found, exists, conflict: look at what is there. denied: credentials or
 * rights. unavailable: try again later. corrupt: the bytes are not what was promised. unsupported: this
 * host or ply cannot do it. limit: a stated bound was exceeded. cancelled: somebody asked to stop.
 * internal: a bug of ours.
 */
export const ERROR_KINDS = [
  "invalid",
  "not-found",
  "exists",
  "conflict",
  "denied",
  "unavailable",
  "corrupt",
  "unsupported",
  "limit",
  "cancelled",
  "internal",
] as const;

export type ErrorKind = (typeof ERROR_KINDS)[number];

export interface PlyErrorOptions {
  /** What to do now, one sentence without a full stop. Shown after the message by the CLI. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Facts a program may want: the reference, the digest, the path. Never a credential. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The one error type of ply. `message` says what was wrong and where; `hint` says what to do. */
export class PlyError extends Error {
  override readonly name = "PlyError";
  readonly kind: ErrorKind;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(kind: ErrorKind, message: string, options: PlyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/** True for a PlyError, of the given kind when one is named. */
export function isPlyError(error: unknown, kind?: ErrorKind): error is PlyError {
  return error instanceof PlyError && (kind === undefined || error.kind === kind);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The system's code (`ENOENT`) of anything that was thrown, by Node or by us; undefined where it has none. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const code = error instanceof PlyError ? error.details["code"] : "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Throws "cancelled" when the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new PlyError("cancelled", "the operation was cancelled", { cause: signal.reason });
}
