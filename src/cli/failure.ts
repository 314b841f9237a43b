import { type ErrorKind, PlyError } from "../error.ts";

/** The command line was wrong: shown with the usage of the command. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code: number;
  /** The flag that is not known: `--memory`, `-p`. */
  readonly unknownFlag: string | undefined;
  /** Docker exits with 125 for a wrong flag, with 1 for a wrong number of arguments. */
  constructor(message: string, code = 125, unknownFlag?: string) {
    super(message);
    this.code = code;
    this.unknownFlag = unknownFlag;
  }
}

/** Ends the command with this code; the message, when there is one, was meant for the user as it is. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly code: number;
  constructor(code: number, message = "") {
    super(message);
    this.code = code;
  }
}

/** What a shell reports for a process that Ctrl-C ended. */
export const INTERRUPTED = 130;

const KINDS: Readonly<Record<number, ErrorKind>> = {
  400: "invalid",
  401: "denied",
  403: "denied",
  404: "not-found",
  409: "conflict",
  499: "cancelled",
  501: "unsupported",
  503: "unavailable",
};

/** `ply serve` ends with this when another engine owns the root: EX_TEMPFAIL of sysexits.h. */
export const OWNED_BY_ANOTHER = 75;

/** The error an engine answered with. `details.status` is the HTTP status. */
export function answeredError(
  status: number,
  body: { readonly message: string; readonly kind?: string; readonly hint?: string },
): PlyError {
  const kind = isErrorKind(body.kind) ? body.kind : (KINDS[status] ?? "internal");
  return new PlyError(kind, body.message, {
    ...(typeof body.hint === "string" && body.hint !== "" ? { hint: body.hint } : {}),
    details: { status },
  });
}

const ALL_KINDS: ReadonlySet<string> = new Set<ErrorKind>([
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
]);

function isErrorKind(text: unknown): text is ErrorKind {
  return typeof text === "string" && ALL_KINDS.has(text);
}
