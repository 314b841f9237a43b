import type { LaunchContext } from "./launch.ts";
import type { MountHolds } from "./mount-holds.ts";
import type { ContainersParts } from "./parts.ts";
import type { Register } from "./register.ts";
import type { ContainerTable } from "./table.ts";

export interface LifecycleParts extends ContainersParts {
  readonly table: ContainerTable;
  readonly launch: LaunchContext;
  readonly holds: MountHolds;
  readonly clock: () => number;
  /** Removes what was kept of a container. In its turn. */
  readonly dropSnapshots: (id: string) => Promise<void>;
}

/** What all that happens to containers is done with. */
export interface LifecycleContext extends LifecycleParts {
  readonly register: Register;
  /** Where a container's own files are. */
  readonly dirOf: (id: string) => string;
  /** Tells of what went wrong where nobody waits for an answer. */
  readonly report: (message: string, error: unknown) => void;
}
