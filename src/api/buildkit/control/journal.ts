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
  /** What was told since the last read, together; waits for more until it is closed. What is read is gone. */
  read(signal: AbortSignal): AsyncGenerator<Status, void>;
}

/** Output of steps that nobody reads is kept up to here; the rest is lost, which is said. */
const UNREAD_LOG_BYTES = 4 * 1024 * 1024;
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
  let wake = (): void => undefined;
  return {
    add({ vertex, status, log, warning }) {
      if (isClosed) return;
      if (vertex !== undefined) page.vertexes.push(vertex);
      if (status !== undefined) page.statuses.set(`${status.vertex} ${status.id}`, status);
      if (warning !== undefined) page.warnings.push(warning);
      const size = log?.bytes?.length ?? 0;
      if (log !== undefined && logBytes <= UNREAD_LOG_BYTES) {
        page.logs.push(log);
        logBytes += size;
        if (logBytes > UNREAD_LOG_BYTES) page.logs.push({ ...log, bytes: CLIPPED });
      }
      isEmpty = false;
      wake();
    },
    close() {
      isClosed = true;
      wake();
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
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
    },
  };
}

function newPage(): Page {
  return { vertexes: [], statuses: new Map(), logs: [], warnings: [] };
}
