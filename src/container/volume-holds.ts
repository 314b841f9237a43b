import type { Volumes } from "../volume/index.ts";
import type { ContainerRecord } from "./containers.ts";

/** Mounts what a container's volumes need, for as long as it runs or is looked at. */
export async function holdVolumes(volumes: Volumes, { id, mounts }: ContainerRecord): Promise<void> {
  for (const { kind, source } of mounts ?? []) {
    if (kind !== "volume") continue;
    await volumes.ensure({ name: source });
    await volumes.open(source, id);
  }
}

/** The end of {@link holdVolumes}; also when it failed half way, or there was none. */
export async function letVolumesGo(volumes: Volumes, record: ContainerRecord | undefined): Promise<void> {
  for (const { kind, source } of record?.mounts ?? [])
    if (kind === "volume") await volumes.close(source, record?.id ?? "");
}
