import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Service } from "./service.ts";

/** A connection that its client wants for itself. */
export interface UpgradeContext {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What came with the head: the client may have sent first. */
  readonly head: Uint8Array;
  readonly service: Service;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
}

/** What begins the answer to a client that now owns the connection. */
export function upgradedHead(contentType: string): string {
  return `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`;
}
