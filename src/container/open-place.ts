import type { Root } from "../files/index.ts";

/** Somebody's hold on the files of something with a name. Dispose it soon: a stopped container cannot start meanwhile. */
export interface OpenPlace extends AsyncDisposable {
  readonly kind: "container" | "image" | "volume";
  readonly name: string;
  readonly root: Root;
  /** Why nothing can be written to its own root, in words; what is mounted there may be writable all the same. */
  readonly readOnly: string | undefined;
  /** Who a container's process runs as by its config; undefined: nobody in particular. */
  defaultUser(): Promise<{ readonly uid: number; readonly gid: number } | undefined>;
  /** Tells about it in the container's name; nothing for others. */
  emit(action: string): void;
}

export interface PlaceOptions {
  /** Absent: a container of that name, else an image, else a volume. */
  readonly kind?: OpenPlace["kind"];
  /** A container's own root, without what is mounted in it. */
  readonly isAlone?: boolean;
}
