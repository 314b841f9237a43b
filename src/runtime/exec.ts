import type { PlyError } from "../error.ts";
import type { OciProcess } from "./spec.ts";
import type { RuntimeStreams } from "./streams.ts";

/** One more process in a running container. */
export interface ExecOptions {
  /** Hexadecimal; names its files. */
  readonly execId: string;
  readonly process: OciProcess;
  /** Streams that somebody is connected to; the others are /dev/null. A terminal has all. */
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface ExecEnd {
  /** 0 to 255; 128 + signal when killed by one; 126 or 127 with `failure`. */
  readonly exitCode: number;
  /** Why it never ran, in Docker's words. */
  readonly failure?: PlyError;
}

/** Lives no longer than its container. An engine that dies takes the streams along, but not the process. */
export interface RuntimeExec {
  /** Disposing it leaves the process alone: its output is read on for nobody, its stdin ends. */
  readonly streams: RuntimeStreams;
  /** In the host's numbers; 0 before it runs and when it has gone. */
  readonly pid: () => number;
  /** Resolves when it runs its own program, or never will. */
  readonly running: () => Promise<void>;
  /** Never rejects. Its output may still be on the way. */
  readonly ended: Promise<ExecEnd>;
  /** Kills it and what it started in its session; waits for it to run first. */
  kill(): Promise<void>;
  /** Throws "conflict" when it has no terminal. */
  resize(size: { readonly columns: number; readonly rows: number }): Promise<void>;
}
