/** One more process in a running container, as it is asked for. */
export interface ExecOptions {
  /** At least the program. */
  readonly cmd: readonly string[];
  /** Over the container's own. */
  readonly env: readonly string[];
  /** Empty: the container's. */
  readonly workingDir: string;
  /** Empty: the container's; else looked up in the container's own passwd and group. */
  readonly user: string;
  readonly tty: boolean;
  /** All the capabilities that the host can give. */
  readonly privileged: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Docker's notation; empty: the usual ones. */
  readonly detachKeys: string;
  readonly consoleSize?: TerminalSize;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A session lasts as long as the engine that made it; it is forgotten some minutes after its end. */
export interface ExecRecord {
  readonly id: string;
  readonly containerId: string;
  readonly options: ExecOptions;
  readonly status: "created" | "running" | "exited";
  /** Null until it has ended. */
  readonly exitCode: number | null;
  /** On the host; 0 while it does not run. */
  readonly pid: number;
}

export interface ExecStart {
  /** Nobody is to be connected to it. */
  readonly detach: boolean;
  /** When the client asks for another kind than the session was made for, the client is right. */
  readonly tty?: boolean;
  readonly consoleSize?: TerminalSize;
}

/** A started session. Its output ends after the exit code is known. */
export interface ExecSession extends AsyncDisposable {
  readonly tty: boolean;
  readonly output: AsyncIterable<{ readonly stream: "stdout" | "stderr"; readonly bytes: Uint8Array }>;
  writeStdin(bytes: Uint8Array): Promise<void>;
  closeStdin(): Promise<void>;
  /** Resolves with why it never ran, in Docker's words, or undefined once it has ended. */
  readonly failure: Promise<string | undefined>;
}

export interface Execs {
  /** Throws "not-found" for the container, "conflict" when it does not run, "invalid" without a command or for its user. */
  create(container: string, options: ExecOptions): Promise<string>;
  /** By id or unambiguous prefix; throws not-found "No such exec instance: X". */
  get(id: string): ExecRecord;
  /**
   * Undefined when detached: then it has begun to run. Throws "conflict" when it was started before or the
   * container does not run any more; detached, "invalid" with details.exitCode when the command cannot run.
   */
  start(id: string, options: ExecStart): Promise<ExecSession | undefined>;
  /** Tells that its user left it by the detach keys. */
  detached(id: string): void;
  /** Kills it and what it started in its session. Does nothing when it does not run. */
  kill(id: string): Promise<void>;
  /** Throws "conflict" when it does not run or has no terminal. */
  resize(id: string, size: TerminalSize): Promise<void>;
  /** Ids of the sessions of a container that have not ended. */
  idsOf(containerId: string): string[];
}

/** A container's processes as the host's ps shows them. */
export interface ProcessTable {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
}
