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

/** `ply serve` ends with this when another engine owns the root: EX_TEMPFAIL of sysexits.h. */
export const OWNED_BY_ANOTHER = 75;
