/** `GET /containers/{id}/stats`: times in nanoseconds, sizes in bytes. */
export interface DockerStats {
  readonly id: string;
  /** With a leading slash. */
  readonly name: string;
  /** RFC 3339; year 1 when the container does not run. */
  readonly read: string;
  readonly preread: string;
  readonly num_procs: number;
  readonly storage_stats: object;
  readonly pids_stats: { readonly current?: number; readonly limit?: number };
  readonly blkio_stats: Readonly<Record<string, readonly DockerIoStat[] | null>> & {
    readonly io_service_bytes_recursive: readonly DockerIoStat[] | null;
  };
  readonly cpu_stats: DockerCpuStats;
  readonly precpu_stats: DockerCpuStats;
  readonly memory_stats: {
    readonly usage?: number;
    readonly max_usage?: number;
    readonly failcnt?: number;
    readonly stats?: Readonly<Record<string, number>>;
    readonly limit?: number;
  };
  readonly networks?: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface DockerIoStat {
  readonly major: number;
  readonly minor: number;
  readonly op: string;
  readonly value: number;
}

export interface DockerCpuStats {
  readonly cpu_usage: {
    readonly total_usage: number;
    readonly percpu_usage?: readonly number[];
    readonly usage_in_kernelmode: number;
    readonly usage_in_usermode: number;
  };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
  readonly throttling_data: {
    readonly periods: number;
    readonly throttled_periods: number;
    readonly throttled_time: number;
  };
}
