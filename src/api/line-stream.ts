import { isPlyError, messageOf } from "../error.ts";
import { encodeJsonLine } from "../wire/index.ts";
import type { Exchange } from "./exchange.ts";

/** A body of JSON lines. The status line goes out with the first one, so that an early failure is still a status. */
export interface LineStream {
  readonly started: boolean;
  send(value: unknown): void;
  /** True while the client reads more slowly than we write: what may be left out should be. */
  readonly isBehind: boolean;
  end(): void;
}

export interface LineStreamOptions {
  readonly contentType?: string;
  readonly encode?: (value: unknown) => string;
}

export function openLineStream(exchange: Exchange, options: LineStreamOptions = {}): LineStream {
  const { response } = exchange;
  const encode = options.encode ?? encodeJsonLine;
  const start = () => {
    if (!response.headersSent)
      response.writeHead(200, { "Content-Type": options.contentType ?? "application/json" });
  };
  return {
    get started() {
      return response.headersSent;
    },
    send(value) {
      if (exchange.signal.aborted || response.writableEnded) return;
      start();
      response.write(encode(value));
    },
    get isBehind() {
      return response.writableNeedDrain;
    },
    end() {
      start();
      response.end();
    },
  };
}

/**
 * Ends the stream; once it has begun, a failure is its last line (Docker's `errorDetail` and the older `error`), with the
 * exit code of the process that failed.
 */
export async function withErrorLine(lines: LineStream, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!lines.started) throw error;
    const code = isPlyError(error) ? error.details["exitCode"] : undefined;
    const message = messageOf(error);
    lines.send({ errorDetail: { ...(typeof code === "number" ? { code } : {}), message }, error: message });
  }
  lines.end();
}
