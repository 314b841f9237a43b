import type { Directives } from "./directive.ts";
import type { Heredoc } from "./heredoc.ts";
import type { SourceRange } from "./source.ts";

/** What every instruction has. */
interface Written {
  readonly at: SourceRange;
  /** The instruction's name as written: `run`. */
  readonly keyword: string;
  /** Name, flags and arguments on one line, as written. */
  readonly text: string;
  /** Comments right above it, without their `#`. */
  readonly comments: readonly string[];
}

/** Exec form: the words of a process. Shell form: a line for the shell that `SHELL` says. */
export type Command =
  | { readonly form: "exec"; readonly args: readonly string[] }
  | { readonly form: "shell"; readonly line: string };

/** What to copy: a path or pattern, or a file whose content stands in the Dockerfile. */
export type CopySource =
  | { readonly kind: "path"; readonly path: string }
  | {
      readonly kind: "inline";
      readonly name: string;
      readonly content: string;
      readonly isExpanded: boolean;
    };

export interface FromInstruction extends Written {
  readonly op: "from";
  readonly image: string;
  readonly platform: string | undefined;
  /** Lower case. */
  readonly name: string | undefined;
  /** `AS` as written: a lint rule asks. */
  readonly asKeyword: string | undefined;
  readonly nameAsWritten: string | undefined;
}

export interface ArgInstruction extends Written {
  readonly op: "arg";
  readonly args: readonly { readonly name: string; readonly value: string | undefined }[];
}

export interface PairsInstruction extends Written {
  readonly op: "env" | "label";
  readonly pairs: readonly (readonly [string, string])[];
  /** `ENV key value`. */
  readonly isOldForm: boolean;
}

interface Text<Op extends string> extends Written {
  readonly op: Op;
  readonly value: string;
}

export type TextInstruction = Text<"maintainer"> | Text<"user"> | Text<"workdir"> | Text<"stopsignal">;

export interface ListInstruction extends Written {
  readonly op: "expose" | "volume";
  readonly values: readonly string[];
}

export interface CommandInstruction extends Written {
  readonly op: "cmd" | "entrypoint";
  readonly command: Command;
}

export interface ShellInstruction extends Written {
  readonly op: "shell";
  readonly shell: readonly string[];
}

/** Durations in nanoseconds. */
export interface HealthcheckInstruction extends Written {
  readonly op: "healthcheck";
  readonly check: {
    readonly Test: readonly string[];
    readonly Interval?: number;
    readonly Timeout?: number;
    readonly StartPeriod?: number;
    readonly StartInterval?: number;
    readonly Retries?: number;
  };
}

export interface OnbuildInstruction extends Written {
  readonly op: "onbuild";
  /** The instruction to run later, as written, heredocs and all. */
  readonly trigger: string;
}

export interface RunInstruction extends Written {
  readonly op: "run";
  readonly command: Command;
  readonly heredocs: readonly Heredoc[];
  /** `--mount` values as written: variables in them are not expanded yet. */
  readonly mounts: readonly string[];
  readonly network: "default" | "none" | "host";
  readonly security: "sandbox" | "insecure";
  readonly devices: readonly string[];
}

/** What `COPY` and `ADD` have in common. */
export interface Copying extends Written {
  readonly sources: readonly CopySource[];
  readonly destination: string;
  readonly chown: string;
  readonly chmod: string;
  readonly link: boolean;
  readonly excludes: readonly string[];
}

export interface CopyInstruction extends Copying {
  readonly op: "copy";
  /** A stage, image or named context. */
  readonly from: string | undefined;
  readonly parents: boolean;
}

export interface AddInstruction extends Copying {
  readonly op: "add";
  readonly keepGitDir: boolean;
  readonly checksum: string;
  /** Undefined: local archives are unpacked, remote ones are not. */
  readonly unpack: boolean | undefined;
}

/** All that may stand in a stage. */
export type Instruction =
  | ArgInstruction
  | PairsInstruction
  | TextInstruction
  | ListInstruction
  | CommandInstruction
  | ShellInstruction
  | HealthcheckInstruction
  | OnbuildInstruction
  | RunInstruction
  | CopyInstruction
  | AddInstruction;

export interface Stage {
  /** Place in the file, from 0: `--from=0`. */
  readonly index: number;
  readonly from: FromInstruction;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  readonly file: string;
  readonly directives: Directives;
  /** `ARG`s before the first `FROM`. */
  readonly globalArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
  /** Last lines of instructions with empty lines within: a lint rule asks. */
  readonly emptyContinuations: readonly SourceRange[];
}
