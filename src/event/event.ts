/** Something that happened to an object, in Docker's words (Engine API, `/events`). */
export interface EngineEvent {
  readonly type: "image" | "container" | "volume" | "network" | "builder" | "daemon";
  /** pull, push, tag, untag, delete, import, load, save, prune, create, start, die, destroy, commit… */
  readonly action: string;
  readonly actor: { readonly id: string; readonly attributes: Readonly<Record<string, string>> };
  /** Nanoseconds since 1970. */
  readonly timeNano: bigint;
}

export interface EventFilter {
  /** Nanoseconds since 1970. */
  readonly since?: bigint;
  readonly until?: bigint;
  readonly matches?: (event: EngineEvent) => boolean;
}

export interface EventBus {
  /** Stamps the time and tells all subscribers. Never throws. */
  emit(event: Omit<EngineEvent, "timeNano">): void;
  /** Past events within a bounded memory (since), then live ones until `until` or abort. A slow reader loses nothing below a stated bound. */
  subscribe(filter: EventFilter, signal: AbortSignal): AsyncIterable<EngineEvent>;
}
