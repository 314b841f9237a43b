import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Engine } from "../engine.ts";
import type { Doors } from "./door.ts";
import type { Exchange } from "./exchange.ts";
import type { Route } from "./router.ts";

/** What the routes serve. */
export interface Service {
  readonly engine: Engine;
  /** When the engine was opened, milliseconds since 1970. */
  readonly startedAt: number;
  /** One line about something the operator should know. */
  readonly log: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Makes more doors to the same routes. */
  readonly doors: Doors;
  /** Loaded for the first client of BuildKit's protocol. */
  readonly buildkit: () => Promise<Buildkit>;
}

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

/** What clients of BuildKit find here: their builds and sessions, as long as the engine is open. */
export interface Buildkit {
  /** Owns a connection to its end. */
  answer(context: UpgradeContext, path: BuildkitPath): Promise<void>;
  /** `POST /build?version=2`. */
  build(exchange: Exchange): Promise<void>;
}

export type BuildkitPath = "/grpc" | "/session";

/** Answers one request; what it throws becomes an error answer. */
export type Handler = (exchange: Exchange, service: Service) => Promise<void> | void;

export type ApiRoute = Route<Handler>;
