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
