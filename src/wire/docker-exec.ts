/** Docker Engine API bodies about exec sessions. */

/** `POST /containers/{id}/exec`. */
export interface DockerExecCreateRequest {
  readonly Cmd: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly Tty?: boolean;
  readonly Privileged?: boolean;
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly DetachKeys?: string;
  /** Rows, columns. */
  readonly ConsoleSize?: readonly [number, number];
}

/** `POST /exec/{id}/start`. */
export interface DockerExecStartRequest {
  readonly Detach: boolean;
  readonly Tty: boolean;
  readonly ConsoleSize?: readonly [number, number];
}

/** `GET /exec/{id}/json`. */
export interface DockerExecInspect {
  readonly ID: string;
  readonly Running: boolean;
  /** Null until it has ended. */
  readonly ExitCode: number | null;
  readonly ProcessConfig: {
    readonly tty: boolean;
    readonly entrypoint: string;
    readonly arguments: readonly string[];
    readonly privileged: boolean;
    readonly user?: string;
  };
  readonly OpenStdin: boolean;
  readonly OpenStderr: boolean;
  readonly OpenStdout: boolean;
  readonly CanRemove: boolean;
  readonly ContainerID: string;
  readonly DetachKeys: string;
  readonly Pid: number;
}

/** `GET /containers/{id}/top?ps_args=`. */
export interface DockerTop {
  readonly Titles: readonly string[];
  readonly Processes: readonly (readonly string[])[];
}
