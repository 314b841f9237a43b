import { PlyError } from "../error.ts";
import type { BuildStep } from "./build.ts";
import type { Why } from "./cache/difference.ts";
import type { Session } from "./session.ts";

/** Tells of a failed step, and says where it stands. */
export async function reporting<Result>(
  session: Session,
  step: BuildStep,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const failure = error instanceof PlyError ? placed(error, step) : error;
    if (session.signal.aborted) {
      session.emit({ kind: "step", step, state: "cancelled" });
      throw failure;
    }
    const message = failure instanceof Error ? failure.message : String(failure);
    session.emit({ kind: "step", step, state: "failed", message, ...whyOf(session, step) });
    throw failure;
  }
}

function placed(error: PlyError, { at, text }: BuildStep): PlyError {
  if (error.details["line"] !== undefined) return error;
  return new PlyError(error.kind, error.message, {
    cause: error,
    details: { ...error.details, file: at.file, line: at.start, endLine: at.end, instruction: text },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

/** Why a step was not taken from the cache, for its message. */
export function whyOf({ trace }: Session, step: BuildStep): { readonly why?: Why } {
  const why = trace.whyOf(step);
  return why === undefined ? {} : { why };
}
