/**
 * Sessions: what is created through one vanishes when its connection ends, however that comes about.
 *
 * `POST /ply/sessions` answers with one line of JSON ({@link PlySession}) and stays open; the session lasts as long as
 * that answer. Containers, networks, volumes and images belong to it when they are created (a) through its socket,
 * (b) with its id in the header {@link SESSION_HEADER}, or (c), but for images, with its id in the label
 * {@link SESSION_LABEL}. What is pulled does not. `GET /ply/sessions` lists those that are open,
 * `DELETE /ply/sessions/{id}` ends one and answers once all is gone.
 */
export interface PlySession {
  readonly id: string;
  /** A door of the engine's own for any client: DOCKER_HOST=unix://… */
  readonly socket: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** On everything that belongs to a session, with its id as the value. */
export const SESSION_LABEL = "ply.session";
/** In lower case, as Node's headers are. */
export const SESSION_HEADER = "x-ply-session";
