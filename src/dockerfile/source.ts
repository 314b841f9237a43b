import { PlyError } from "../error.ts";

/** Where something stands: lines count from 1, both ends belong to it. */
export interface SourceRange {
  /** As the user named it: `Dockerfile`, `docker/app.Dockerfile`. */
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

/** An "invalid" with the place in Docker's words; `details` carries file and lines. */
export function dockerfileError(at: SourceRange, message: string, options: { hint?: string } = {}): PlyError {
  return new PlyError("invalid", `dockerfile parse error on line ${at.start} of ${at.file}: ${message}`, {
    ...options,
    details: { file: at.file, line: at.start, endLine: at.end },
  });
}

/** Runs a parser of a part; what it throws is said to be at this place. */
export function within<Result>(at: SourceRange, parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof PlyError) || error.details["line"] !== undefined) throw error;
    throw dockerfileError(at, error.message, error.hint === undefined ? {} : { hint: error.hint });
  }
}

/** What is wrong with an instruction; {@link within} adds the place. */
export function bad(message: string, options: { hint?: string } = {}): PlyError {
  return new PlyError("invalid", message, options);
}
