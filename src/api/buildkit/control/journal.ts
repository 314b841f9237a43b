import type { Given } from "../../../grpc/index.ts";
import type { statusResponse, Vertex, VertexLog, VertexStatus, VertexWarning } from "./control-messages.ts";

export type Status = Given<typeof statusResponse>;

/** What a build has to tell, kept until somebody reads it. */
export interface Journal {
  add(entry: {
    readonly vertex?: Vertex;
    readonly status?: VertexStatus;
    readonly log?: VertexLog;
    readonly warning?: VertexWarning;
  }): void;
  /** Nothing more will be told. */
  close(): void;
  /**
   * What was told since the last read, together; waits for more until it is closed. What is read is gone: of several
   * readers each has a part.
   */
  read(signal: AbortSignal): AsyncGenerator<Status, void>;
}

/** Output of steps that nobody reads is kept up to here; the rest is lost, which is said. */
const UNREAD_LOG_BYTES = 4 * 1024 * 1024;
/** What each piece of it takes besides its bytes, here and in the message that tells it. */
const LOG_OVERHEAD_BYTES = 128;
const CLIPPED = Buffer.from("\n[output clipped: it comes faster than it is read]\n");

interface Page {
  readonly vertexes: Vertex[];
  /** By what they are about: only the last one counts. */
  readonly statuses: Map<string, VertexStatus>;
  readonly logs: VertexLog[];
  readonly warnings: VertexWarning[];
}

export function createJournal(): Journal {
  let page = newPage();
  let logBytes = 0;
  let isEmpty = true;
  let isClosed = false;
  const waiting = new Set<() => void>();
  const wakeAll = (): void => {
    for (const wake of waiting) wake();
  };
  const changed = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const wake = (): void => {
        waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  return {
    add({ vertex, status, log, warning }) {
      if (isClosed) return;
      if (vertex !== undefined) page.vertexes.push(vertex);
      if (status !== undefined) page.statuses.set(`${status.vertex} ${status.id}`, status);
      if (warning !== undefined) page.warnings.push(warning);
      if (log !== undefined && logBytes <= UNREAD_LOG_BYTES) {
        page.logs.push(log);
        logBytes += (log.bytes?.length ?? 0) + LOG_OVERHEAD_BYTES;
        if (logBytes > UNREAD_LOG_BYTES) page.logs.push({ ...log, bytes: CLIPPED });
      }
      isEmpty = false;
      wakeAll();
    },
    close() {
      isClosed = true;
      wakeAll();
    },
    async *read(signal) {
      while (!signal.aborted) {
        if (!isEmpty) {
          const { statuses, ...read } = page;
          page = newPage();
          logBytes = 0;
          isEmpty = true;
          yield { ...read, statuses: [...statuses.values()] };
          continue;
        }
        if (isClosed) return;
        await changed(signal);
      }
    },
  };
}

function newPage(): Page {
  return { vertexes: [], statuses: new Map(), logs: [], warnings: [] };
}
