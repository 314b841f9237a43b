import { type ErrorKind, PlyError } from "../../error.ts";
import { STATUS_OF_KIND } from "../../wire/index.ts";

interface Facts {
  readonly step: string | undefined;
  readonly line: number | undefined;
  readonly endLine: number | undefined;
  readonly exitCode: number | undefined;
  readonly output: string;
  readonly hint: string | undefined;
}

/** A step that failed: where it stands, how its command ended, what it printed last. */
export class BuildError extends PlyError {
  /** The instruction; undefined when none is to blame. */
  readonly step: string | undefined;
  /** First and last line of the Dockerfile, from 1; undefined when no instruction is to blame. */
  readonly line: number | undefined;
  readonly endLine: number | undefined;
  /** Of the command of a RUN. */
  readonly exitCode: number | undefined;
  /** The end of what the step printed. */
  readonly output: string;

  constructor(kind: ErrorKind, message: string, { step, line, endLine, exitCode, output, hint }: Facts) {
    super(kind, message, {
      details: { status: STATUS_OF_KIND[kind] },
      ...(hint === undefined ? {} : { hint }),
    });
    this.step = step;
    this.line = line;
    this.endLine = endLine;
    this.exitCode = exitCode;
    this.output = output;
  }
}
