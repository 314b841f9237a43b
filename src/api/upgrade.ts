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
  /** The session that what it creates belongs to. */
  readonly session?: string;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
}

/** Ends the answer, once all of it was written. */
export function hangUp(socket: Duplex): void {
  if (!socket.writableEnded) socket.end();
  // A client that keeps its side open would hold the connection for ever.
  socket.resume();
}

/** What begins the answer to a client that now owns the connection. */
export function upgradedHead(contentType: string, more: Readonly<Record<string, string>> = {}): string {
  const headers = Object.entries({ "Content-Type": contentType, ...more });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 101 UPGRADED\r\n${lines}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n`;
}
