import type { ResourceUsage } from "./cgroup-stats.ts";
import type { ExecOptions, RuntimeExec } from "./exec.ts";
import type { OciLimits } from "./oci-limits.ts";
import type { LimitAbilities } from "./resources.ts";
import type { OciProcess, OciSpec } from "./spec.ts";
import type { RuntimeStreams } from "./streams.ts";

export type { OutputChunk, RuntimeStreams } from "./streams.ts";

/** What conmon and the runtime are told. */
export interface LaunchOptions {
  readonly id: string;
  /**
   * Written as the bundle's config.json. A promise lets the monitor start up meanwhile; when it is rejected,
   * so is `create`, with the same reason.
   */
  readonly spec: OciSpec | Promise<OciSpec>;
  /** Name of an OCI runtime; absent or "": the usual one. */
  readonly runtime?: string;
  readonly terminal: boolean;
  /** Keep stdin open for attached clients. */
  readonly stdin: boolean;
  /** Close stdin for good when the first client that has it leaves. */
  readonly stdinOnce: boolean;
  /** conmon's k8s-file log; null: none is kept. */
  readonly logPath: string | null;
}

/** A created container whose first process waits for `start`. */
export interface RuntimeProcess {
  readonly id: string;
  readonly pid: number;
  readonly conmonPid: number;
}

export interface ExitStatus {
  /** 0 to 255; 128 + signal when killed by one. */
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Milliseconds since 1970. */
  readonly finishedAt: number;
}

/**
 * An OCI runtime (crun, runc) under conmon. The container outlives the engine; all it needs is on disk.
 * `create` → `attach`* → `start` → `waitExit` → `delete`.
 */
export interface OciRuntime extends AsyncDisposable {
  readonly name: string;
  readonly version: string;
  readonly conmonVersion: string;
  /** What the host lacks and what that costs, found at start. */
  readonly warnings: readonly string[];
  /** False where containers run without cgroups of their own. */
  readonly hasCgroups: boolean;
  /** Name → path of the runtimes that containers may ask for. */
  readonly runtimes: ReadonlyMap<string, string>;
  /** Throws "invalid" in Docker's words for a name that is none of them, "unsupported" for one that cannot run here. */
  checkRuntime(name: string): Promise<void>;
  /** Which limits this host can hold. */
  readonly limits: LimitAbilities;
  /** The bundle directory of a container: config.json, sockets, pid files. Gone after a reboot. */
  bundleOf(id: string): string;
  /**
   * Throws "invalid" with details.exitCode 126/127 when the command cannot run (Docker's words), else
   * "internal" with the runtime's. Nothing is left behind then.
   */
  create(options: LaunchOptions): Promise<RuntimeProcess>;
  attach(id: string): Promise<RuntimeStreams>;
  /** Lets the created process go. */
  start(id: string): Promise<void>;
  /** Throws "conflict" when the process has gone. */
  kill(id: string, signal: number): Promise<void>;
  /** Throws "conflict" when the container has no terminal or has gone. */
  resize(id: string, size: { readonly columns: number; readonly rows: number }): Promise<void>;
  /** Freezes all its processes. Throws "unsupported" where the host has no freezer. */
  pause(id: string): Promise<void>;
  /** Idempotent. */
  resume(id: string): Promise<void>;
  isPaused(id: string): Promise<boolean>;
  /** Gives a running container these limits; what is absent stays. Throws "internal" with the runtime's words. */
  update(id: string, limits: OciLimits): Promise<void>;
  /** `ownNetwork`: its interfaces are counted too. */
  usage(id: string, options: { readonly ownNetwork: boolean }): Promise<ResourceUsage>;
  /** What the container's first process was started with: the model for others. Throws "conflict" when it has gone. */
  processOf(id: string): Promise<{ readonly process: OciProcess; readonly hostname: string }>;
  /** All processes of a running container, in the host's numbers. */
  processIds(id: string): Promise<number[]>;
  /** Says that an `exec` will follow shortly, which makes it faster. */
  announceExec(): void;
  /** Runs one more process in a running container. Throws "unavailable" when the runtime cannot be started. */
  exec(id: string, options: ExecOptions): Promise<RuntimeExec>;
  /** Has conmon close its log and open a new file at the same path: for one that was moved away. */
  reopenLog(id: string): Promise<void>;
  /** Resolves when conmon has written the exit code; also after an engine restart. */
  waitExit(id: string, signal?: AbortSignal): Promise<ExitStatus>;
  /** Kills what is left and removes cgroup, state, sockets, exit file. Idempotent. */
  delete(id: string): Promise<void>;
  /** Ids this run root knows, running or not. */
  list(): Promise<string[]>;
}
