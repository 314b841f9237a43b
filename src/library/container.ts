import type { DockerContainerInspect } from "../wire/index.ts";
import type { FileContents } from "./archive.ts";
import type { Output, PrintedText } from "./output.ts";

export interface LogOptions {
  /** Goes on until the container ends. */
  readonly follow?: boolean;
  /** The last lines only. */
  readonly tail?: number;
  readonly since?: Date;
  readonly timestamps?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly signal?: AbortSignal;
}

export interface ExecOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly workingDir?: string;
  readonly privileged?: boolean;
  readonly signal?: AbortSignal;
}

export interface ExecResult extends PrintedText {
  readonly exitCode: number;
}

/** A client's end of a container's streams. */
export interface AttachedStreams {
  readonly output: AsyncIterable<Output>;
  write(bytes: string | Uint8Array): Promise<void>;
  /** The process reads end of file. */
  closeStdin(): void;
  destroy(): void;
}

/** One container. `await using` removes it, with its anonymous volumes, at the end of the block. */
export interface Container extends AsyncDisposable {
  readonly id: string;
  start(): Promise<void>;
  /** SIGTERM, after the time (10 s unless said otherwise) SIGKILL. */
  stop(options?: { readonly timeoutSeconds?: number; readonly signal?: string }): Promise<void>;
  kill(signal?: string): Promise<void>;
  restart(options?: { readonly timeoutSeconds?: number }): Promise<void>;
  pause(): Promise<void>;
  unpause(): Promise<void>;
  rename(name: string): Promise<void>;
  /** Resolves with the exit code once it has ended. */
  wait(options?: { readonly signal?: AbortSignal }): Promise<number>;
  inspect(): Promise<DockerContainerInspect>;
  logs(options?: LogOptions): AsyncIterable<Output>;
  /** Resolves at the first line of the log that matches; throws "not-found" when the container ends without it. */
  waitForLog(pattern: RegExp | string, options?: { readonly signal?: AbortSignal }): Promise<string>;
  /** Resolves once its health check passes; throws "unavailable" when it is unhealthy or ends. */
  waitUntilHealthy(options?: { readonly signal?: AbortSignal }): Promise<void>;
  exec(command: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  attach(): Promise<AttachedStreams>;
  /** Puts files, a directory of this host, or a tar into a directory of the container. */
  copyInto(
    path: string,
    source: FileContents | { readonly directory: string } | AsyncIterable<Uint8Array>,
  ): Promise<void>;
  /** A tar of what is at a path. */
  copyFrom(path: string): Promise<AsyncIterable<Uint8Array>>;
  /** Host address and port of a published port: `port(80)`, `port("53/udp")`. Throws "not-found" when it is not. */
  port(port: number | string): Promise<{ readonly host: string; readonly port: number }>;
  /** What is gone already is fine. */
  remove(options?: { readonly force?: boolean; readonly volumes?: boolean }): Promise<void>;
}
