import type { LogChunk } from "./log-format.ts";
import type { LogOptions } from "./log-reader.ts";

export interface ContainerLogsOptions extends LogOptions {
  /** Before each line, the labels and variables that the log options name. */
  readonly details: boolean;
}

/** The part of {@link Containers} that reads logs. */
export interface ContainerLogs {
  /**
   * What a container printed, in chunks as large as they come. Follows as long as it runs or its policy starts it
   * again. Throws "unsupported" when it keeps no log, "conflict" when it is being removed.
   */
  logs(name: string, options: ContainerLogsOptions, signal?: AbortSignal): AsyncIterable<readonly LogChunk[]>;
  /** Forgets what was printed up to now. */
  clearLogs(name: string): Promise<void>;
}
