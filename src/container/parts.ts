import type { EventBus } from "../event/index.ts";
import type { Images } from "../image/index.ts";
import type { Networks } from "../network/index.ts";
import type { OciRuntime } from "../runtime/index.ts";
import type { SnapshotDriver } from "../snapshot/index.ts";
import type { Leases, Records } from "../store/index.ts";
import type { Volumes } from "../volume/index.ts";

/** What containers are made of; all stay the caller's. */
export interface ContainersParts {
  /** `store.records("container")`. */
  readonly records: Records;
  /** `store.records("snapshot")`. */
  readonly snapshotRecords: Records;
  readonly leases: Leases;
  readonly images: Pick<Images, "resolve" | "configOf" | "stackOf" | "commit">;
  readonly snapshots: SnapshotDriver;
  readonly runtime: OciRuntime;
  readonly volumes: Volumes;
  readonly networks: Networks;
  readonly events: EventBus;
  /** `containers/` lies in it. */
  readonly root: string;
  /** Called when the last container of an image that was removed has gone. */
  readonly collectGarbage?: () => Promise<unknown>;
  /** User namespaces of containers that say nothing: "" (none), `default`, `user`, `user:group`. */
  readonly usernsRemap?: string;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly onTrouble?: (message: string, error: unknown) => void;
}
