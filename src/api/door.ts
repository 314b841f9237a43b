import type { Server } from "node:http";

export interface DoorOptions {
  /** True for a TCP port on loopback: web pages must not get in by way of a browser on this machine. */
  readonly guardBrowsers: boolean;
  /** Speaks TLS. */
  readonly tls?: DoorTls;
  /** What is created through this door belongs to that session. */
  readonly session?: string;
}

/** PEM texts. */
export interface DoorTls {
  readonly cert: string;
  readonly key: string;
  /** Clients need a certificate that this CA signed. */
  readonly clientCa?: string;
}

/** Makes doors: any number of servers share the routes. */
export interface Doors {
  createHttpServer(options?: DoorOptions): Server;
}
