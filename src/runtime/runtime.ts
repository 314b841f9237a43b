/** What conmon and crun are told. The bundle (config.json) is the caller's. */
export interface LaunchOptions {
  readonly id: string;
  /** Directory with config.json. */
  readonly bundle: string;
  readonly terminal: boolean;
  /** Keep stdin open for attached clients. */
  readonly stdin: boolean;
  /** Close stdin for good when the first client that has it leaves. */
  readonly stdinOnce: boolean;
  /** conmon's k8s-file log; null: none is kept. */
  readonly logPath: string | null;
  readonly pidDir: string;
}

/** A created container whose first process waits for `start`. */
export interface RuntimeProcess {
  readonly id: string;
  readonly pid: number;
  readonly conmonPid: number;
}

/** One connection to conmon's attach socket: everything the process prints from now on. */
export interface RuntimeStreams extends AsyncDisposable {
  readonly output: AsyncIterable<{ readonly stream: "stdout" | "stderr"; readonly bytes: Uint8Array }>;
  write(bytes: Uint8Array): Promise<void>;
  /** Half-close: the process reads end of file. */
  end(): Promise<void>;
}

export interface ExitStatus {
  /** 0 to 255; 128 + signal when killed by one. */
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly finishedAt: number;
}

/**
 * An OCI runtime (crun, runc) under conmon. The container outlives the engine; all it needs is on disk.
 * `create` → `attach`* → `start` → `waitExit` → `delete`.
 */
export interface OciRuntime {
  readonly name: string;
  readonly version: string;
  create(options: LaunchOptions): Promise<RuntimeProcess>;
  attach(id: string): Promise<RuntimeStreams>;
  /** Throws "invalid" with the runtime's words and details.exitCode 126/127. */
  start(id: string): Promise<void>;
  kill(id: string, signal: number): Promise<void>;
  resize(id: string, size: { readonly columns: number; readonly rows: number }): Promise<void>;
  /** Resolves when conmon has written the exit code; also after an engine restart. */
  waitExit(id: string, signal?: AbortSignal): Promise<ExitStatus>;
  /** Kills what is left and removes cgroup, state, sockets, exit file. Idempotent. */
  delete(id: string): Promise<void>;
  /** Ids this run root knows, running or not. */
  list(): Promise<string[]>;
}
