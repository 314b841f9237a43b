import type { Engine } from "../../../engine.ts";
import type { OpenSessions } from "../session/sessions.ts";
import type { Builds } from "./builds.ts";

/** What the services for clients of BuildKit work with; all stay the caller's. */
export interface ControlParts {
  readonly engine: Engine;
  readonly sessions: OpenSessions;
  readonly builds: Builds;
  /** The session of ply's own that what is made belongs to. */
  readonly owner: string | undefined;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}
