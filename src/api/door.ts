import type { Server } from "node:http";

export interface DoorOptions {
  /** True for a TCP port on loopback: web pages must not get in by way of a browser on this machine. */
  readonly guardBrowsers: boolean;
  /** What is created through this door belongs to that session. */
  readonly session?: string;
}

/** Makes doors: any number of servers share the routes. */
export interface Doors {
  createHttpServer(options?: DoorOptions): Server;
}
