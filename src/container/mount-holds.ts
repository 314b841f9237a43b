import { PlyError } from "../error.ts";
import type { SnapshotDriver, View } from "../snapshot/index.ts";
import type { Volumes } from "../volume/index.ts";
import type { ContainerMount, ContainerRecord } from "./containers.ts";

/** What must be mounted on the host before it can be mounted in a container, for as long as that runs or is looked at. */
export interface MountHolds {
  /** Idempotent. Throws when a volume or image cannot be mounted; `letGo` is due nevertheless. */
  hold(record: ContainerRecord): Promise<void>;
  /** Also when it was held half, or not at all. */
  letGo(record: ContainerRecord | undefined): Promise<void>;
  /** Where the files of the image are that it has mounted there. Held. */
  imagePath(record: Pick<ContainerRecord, "id">, mount: ContainerMount): string;
}

export function createMountHolds({
  volumes,
  snapshots,
}: {
  readonly volumes: Volumes;
  readonly snapshots: Pick<SnapshotDriver, "view">;
}): MountHolds {
  const views = new Map<string, Map<string, View>>();
  return {
    async hold({ id, mounts = [] }) {
      for (const { kind, source, target, imageStack } of mounts)
        if (kind === "volume") {
          await volumes.ensure({ name: source });
          await volumes.open(source, id);
        } else if (kind === "image" && imageStack !== undefined) {
          const held = views.get(id) ?? new Map<string, View>();
          views.set(id, held);
          if (!held.has(target)) held.set(target, await snapshots.view(imageStack));
        }
    },
    async letGo(record) {
      for (const { kind, source } of record?.mounts ?? [])
        if (kind === "volume") await volumes.close(source, record?.id ?? "");
      const held = views.get(record?.id ?? "");
      views.delete(record?.id ?? "");
      for (const view of held?.values() ?? []) await view[Symbol.asyncDispose]();
    },
    imagePath({ id }, { source, target }) {
      const view = views.get(id)?.get(target);
      if (view === undefined) throw new PlyError("internal", `image ${source} is not mounted for ${target}`);
      return view.path;
    },
  };
}
