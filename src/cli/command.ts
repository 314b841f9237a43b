import type { PlyDoctorCheck } from "../wire/index.ts";
import type { Connection, EngineClient, Target, TlsFiles } from "./client/index.ts";
import type { CompletionSource, FlagSpecs, FlagValues } from "./flags.ts";
import type { Output } from "./output/index.ts";
import type { Stdio } from "./terminal/index.ts";

/** What a command is given besides its flags and arguments. */
export interface CommandContext {
  readonly stdio: Stdio;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of this user. */
  readonly uid: number;
  /** The client, ready for requests. Connects, and starts an engine where that is allowed, when first used. */
  readonly engine: EngineClient;
  /** Aborted at the first SIGINT or SIGTERM from now on; a second one ends the process at once. */
  interruptible(): Interruption;
  /** What was said of the engine before the command's name. */
  readonly target: Target;
  /** A connection to the engine that is no HTTP's. */
  connect(): Promise<Connection>;
  /** Runs an engine in this process until it is told to stop; given by the binary's entry. */
  readonly serve: Serve;
  /** Tries what this host can do for an engine with these directories; given by the binary's entry. */
  readonly examine: Examine;
}

/** Somebody's wish to stop. Disposing it makes signals mean again what they meant before. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
}

export interface ServeOptions {
  readonly root: string;
  readonly runRoot: string;
  /** `unix:///path`, `tcp://host:port`. */
  readonly hosts: readonly string[];
  readonly storageDriver?: string;
  readonly usernsRemap?: string;
  readonly runtimes?: Readonly<Record<string, string>>;
  readonly defaultRuntime?: string;
  /** `builder.gc` of `engine.json`. */
  readonly builderGc?: Readonly<Record<string, string | boolean>>;
  readonly configDir?: string;
  readonly ephemeral?: "containers" | "all";
  /** For tcp:// hosts. */
  readonly tls?: TlsFiles;
  readonly allowInsecureTcp?: boolean;
  readonly signal: AbortSignal;
  /** Called once everything listens. */
  readonly onListening: (hosts: readonly string[]) => void;
}

export type Examine = (roots: {
  readonly root: string;
  readonly runRoot: string;
}) => Promise<readonly PlyDoctorCheck[]>;

/** Resolves when the engine has stopped. */
export type Serve = (options: ServeOptions) => Promise<void>;

/** The rest of the words after the flags. */
export interface ArgumentSpec {
  /** As in the usage line: `NAME[:TAG|@DIGEST]...`. */
  readonly usage: string;
  readonly min: number;
  readonly max?: number;
  readonly complete?: CompletionSource;
  /** True: flags end at the first argument (`run IMAGE COMMAND --its-flag`). */
  readonly stopsFlags?: boolean;
}

/** One verb. Its names and summary are in the catalogue, which is read without loading this. */
export interface CommandSpec<F extends FlagSpecs> {
  readonly args: ArgumentSpec;
  readonly flags: F;
  /** A paragraph for `--help`, below the summary. */
  readonly description?: string;
  /** Command lines with what they do. */
  readonly examples?: readonly (readonly [line: string, meaning: string])[];
  /** Exit code of a wrong command line and of a failure before the command's own work: 125 for `run`. */
  readonly failureCode?: number;
  run(context: CommandContext, flags: FlagValues<F>, args: readonly string[]): Promise<Output>;
}

/** A command whose flag types were checked where it was written. */
export interface Command extends Omit<CommandSpec<FlagSpecs>, "run"> {
  run(
    context: CommandContext,
    flags: Readonly<Record<string, unknown>>,
    args: readonly string[],
  ): Promise<Output>;
}

/** Declares a command; the flags' values are typed after their specs. */
export function command<const F extends FlagSpecs>(spec: CommandSpec<F>): Command {
  return {
    ...spec,
    run: (context, flags, args) => spec.run(context, flags as FlagValues<F>, args),
  };
}
