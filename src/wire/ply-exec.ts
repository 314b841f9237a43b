/**
 * `POST /ply/containers/{name}/exec` with `Upgrade`: takes a DockerExecCreateRequest, answers 101 and runs it. stdin
 * goes up as it is; frames come down, of a terminal too, and end with one of "system" that holds this as JSON.
 */
export interface PlyExecEnd {
  /** Null: it runs on, for its user pressed the detach keys. */
  readonly ExitCode: number | null;
}

/** Header of that answer: the session's id, for `POST /exec/{id}/resize`. */
export const EXEC_ID_HEADER = "Ply-Exec-Id";
