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
}

/** Answers one request; what it throws becomes an error answer. */
export type Handler = (exchange: Exchange, service: Service) => Promise<void> | void;

export type ApiRoute = Route<Handler>;
