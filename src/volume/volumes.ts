/** A directory of its own life that containers mount. */
export interface VolumeRecord {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Made for one container without a name: removed with it by `rm -v` and `--rm`. */
  readonly anonymous: boolean;
  /** Where its files are: `volumes/NAME/_data`. */
  readonly path: string;
}

export interface VolumeOptions {
  /** Absent: an anonymous one, with 64 hex digits as its name. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface VolumePruneOptions {
  readonly all: boolean;
  readonly matches?: (volume: VolumeRecord) => boolean;
}

export interface PrunedVolumes {
  /** Names, sorted. */
  readonly removed: readonly string[];
  readonly bytesReclaimed: number;
}

/** Local volumes. Names are unique; a volume in use cannot be removed. */
export interface Volumes {
  /** The volume of that name, made if absent. Throws "invalid" in Docker's words for a bad name. */
  ensure(options: VolumeOptions): Promise<VolumeRecord>;
  /** Throws not-found "get NAME: no such volume". */
  get(name: string): VolumeRecord;
  list(): VolumeRecord[];
  /** Throws conflict "remove NAME: volume is in use - [ID, …]". */
  remove(name: string): Promise<void>;
  /** Notes that `owner` (a container id) uses the volume. Not kept across engine starts: owners say it again. */
  retain(name: string, owner: string): void;
  release(name: string, owner: string): void;
  usersOf(name: string): string[];
  /** Bytes of the files in it; hard links count once. */
  sizeOf(name: string): Promise<number>;
  /** Removes what no container uses: anonymous volumes, with `all` named ones too; of these, those that match. */
  prune(options: VolumePruneOptions): Promise<PrunedVolumes>;
  /**
   * Copies what the image has at the mount's place into an empty volume: content, owners, modes, times,
   * attributes, and those of the directory itself. `source` is a resolved path on the host.
   */
  populate(name: string, source: string): Promise<void>;
}
