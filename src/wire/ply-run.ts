import type { ErrorBody } from "./ply.ts";

/**
 * What `docker run` and `start -a` do in four requests, in one, with `Upgrade`:
 * `POST /ply/containers/run` takes a DockerCreateRequest, whose Attach* say which streams are joined
 * (query: `name`, `platform`, `detachKeys`);
 * `POST /ply/containers/{name}/run` starts one that is there (query: `stdin`, `detachKeys`).
 * Answered by 101; then stdin goes up as it is and frames come down, of a terminal too. Those of "system" hold these,
 * a JSON line each: first "attached", last "ended" or "failed".
 */
export type PlyRunMessage =
  | {
      readonly type: "attached";
      readonly id: string;
      readonly tty: boolean;
      readonly warnings: readonly string[];
    }
  | { readonly type: "started" }
  /** It did not start. */
  | { readonly type: "failed"; readonly error: ErrorBody }
  /** A null code: it runs on, for its user pressed the detach keys. `error`: why it could not be removed as was asked for. */
  | { readonly type: "ended"; readonly exitCode: number | null; readonly error?: string };
