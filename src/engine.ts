import type { Containers } from "./container/index.ts";
import type { EventBus } from "./event/index.ts";
import type { Images } from "./image/index.ts";
import type { RegistryClient } from "./registry/index.ts";
import type { CheckReport } from "./store/index.ts";

export interface EngineOptions {
  /** Where everything is kept: `/var/lib/ply`. */
  readonly root: string;
  /** What a reboot may take: `/run/ply`. */
  readonly runRoot: string;
  /** "auto" tries what works here; else the name of a storage driver. */
  readonly storageDriver?: string;
}

/** What this engine and its host are, for `info` and `version`. */
export interface EngineInfo {
  readonly id: string;
  readonly root: string;
  readonly storageDriver: { readonly name: string; readonly description: string };
  readonly runtime: { readonly name: string; readonly version: string };
  readonly conmonVersion: string;
  readonly warnings: readonly string[];
}

/** The parts of an engine, joined. Several may live in one process, each with its own roots. */
export interface Engine extends AsyncDisposable {
  readonly info: EngineInfo;
  readonly images: Images;
  readonly containers: Containers;
  readonly registry: RegistryClient;
  readonly events: EventBus;
  /** Every name resolves, every layer verifies, nothing unknown is on disk. */
  check(options: { readonly repair: boolean; readonly signal?: AbortSignal }): Promise<CheckReport>;
}
