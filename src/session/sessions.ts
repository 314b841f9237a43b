import type { Records } from "../store/index.ts";

/** Whose connection keeps what. */
export interface Session {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What a session may own of one kind. Whoever joins the parts says how to find and remove it. */
export interface Owned {
  /** For the log: "container". */
  readonly kind: string;
  /** Names or ids of all that carry the session's label. */
  of(session: string): readonly string[];
  /** What is gone already is fine. */
  remove(name: string): Promise<void>;
}

export interface SessionsOptions {
  readonly records: Records;
  /** In the order in which they can go: containers before networks and volumes. */
  readonly owned: readonly Owned[];
  /** The id of the image of that name or id; undefined when there is none. */
  readonly imageId: (name: string) => string | undefined;
  /** Removes a name of an image, or an image without names, with what only it needed. In use: leaves it. */
  readonly removeImage: (name: string) => Promise<void>;
  readonly onTrouble: (message: string) => void;
}

/** The open sessions. Disposing ends them all. Those of an engine that was killed end when the next one opens them. */
export interface Sessions extends AsyncDisposable {
  open(): Session;
  /** Throws not-found "no such session: X". */
  get(id: string): Session;
  list(): Session[];
  /** Runs work that makes something for it: an end that comes meanwhile waits. Throws not-found when it has ended. */
  during<T>(id: string, work: () => Promise<T> | T): Promise<T>;
  /** Before an image is made or named: these names go with the session, unless they were there before it. */
  claimNames(id: string, names: readonly string[]): void;
  /** After an image was made: it goes with the session if no name keeps it. */
  claimImage(id: string, image: string): void;
  /**
   * Removes all it owns. Resolves when that is gone; whoever asks a second time waits for the first; one
   * that has ended is fine. Trouble is told, not thrown.
   */
  end(id: string): Promise<void>;
  /** Resolves when its end begins. */
  ended(id: string): Promise<void>;
}
