import type { CaptureMethod, Strata } from "../overlay/index.ts";
import type { LocalOptions } from "./local-options.ts";

/** A directory of its own life that containers mount. */
export interface VolumeRecord {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Made for one container without a name: removed with it by `rm -v` and `--rm`. */
  readonly anonymous: boolean;
  /** Where its files are while it is open: `volumes/NAME/_data`. */
  readonly path: string;
  /** Of the `local` driver: what is mounted there. */
  readonly options?: LocalOptions;
  /** Directories beside `_data` that it consists of once snapshots share them; absent: `_data` alone. */
  readonly strata?: Strata;
}

export interface VolumeOptions {
  /** Absent: an anonymous one, with 64 hex digits as its name. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: LocalOptions;
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
export interface Volumes extends AsyncDisposable {
  /** The volume of that name, made if absent. Throws "invalid" in Docker's words for a bad name or option. */
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
  /** Bytes of the files in it; hard links count once. Of what is mounted from elsewhere: 0. */
  sizeOf(name: string): Promise<number>;
  /** Removes what no container uses: anonymous volumes, with `all` named ones too; of these, those that match. */
  prune(options: VolumePruneOptions): Promise<PrunedVolumes>;
  /**
   * Copies what the image has at the mount's place into an empty volume: content, owners, modes, times,
   * attributes, and those of the directory itself. `source` is a resolved path on the host. The volume is open.
   */
  populate(name: string, source: string): Promise<void>;

  /** Its path, with all mounted that belongs there, until `holder` (a container that runs, a copy) closes it. Idempotent. */
  open(name: string, holder: string): Promise<string>;
  /** What nobody holds any more is unmounted. Nothing there is fine. */
  close(name: string, holder: string): Promise<void>;
  /** After an engine start, when all who still hold volumes have opened them: unmounts what an earlier engine left. */
  settle(): Promise<void>;

  /**
   * Keeps the files as they are now, for `revive`. `isFrozen`: who holds it stands still; else nobody may hold it. Undefined
   * for what is mounted from elsewhere. `onKept` takes note of the directories before anybody can tidy up.
   */
  capture(
    name: string,
    options: { readonly isFrozen: boolean; readonly onKept: (kept: Strata) => void },
  ): Promise<CaptureMethod | undefined>;
  /** Makes the files what they were. Nobody may hold the volume. `pinned`: what must stay beside. */
  revive(name: string, kept: Strata, pinned: () => readonly Strata[]): Promise<void>;
  /** Joins and removes directories that neither the volume nor anything pinned needs; `onFold` hears which went. */
  tidy(name: string, pinned: () => readonly Strata[], onFold: (stratum: string) => void): Promise<void>;
  /** Those who hold it now. */
  holdersOf(name: string): string[];
}
