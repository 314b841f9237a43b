import type { Duplex } from "node:stream";
import { PlyError } from "../error.ts";
import type { UpgradeContext } from "./service.ts";

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

/** Hands the connection over to HTTP/2 without a handshake. Throws "invalid" for a client that asked for something else. */
export function upgradeToH2c({ request, socket, head }: UpgradeContext): void {
  const asked = request.headers.upgrade ?? "";
  if (asked.toLowerCase() !== "h2c") throw new PlyError("invalid", `protocol ${asked} not supported`);
  socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  if (head.length > 0) socket.unshift(head);
}
