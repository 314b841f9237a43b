import { messageOf, PlyError } from "../error.ts";
import type { ImageId } from "../oci/index.ts";
import type { ContainerSnapshot } from "./container-snapshots.ts";
import type { Containers, CreateOptions } from "./containers.ts";
import { type ContainerSettings, type CreationContext, settle } from "./creation.ts";
import { isActive } from "./state.ts";
import type { ContainerDocument } from "./table.ts";

/** Absent image: the one that it has, whatever has its name by now. */
export type RecreateOptions = Omit<CreateOptions, "image" | "name"> & { readonly image?: string };

/**
 * Gives a container other settings, and perhaps another image below its writable layer, which stays, as do its name, id,
 * volumes and snapshots. One that runs is stopped for it and started again. What cannot be leaves it as it was.
 */
export async function recreateContainer(
  context: CreationContext & {
    readonly stop: Containers["stop"];
    readonly snapshotsOf: (id: string) => readonly ContainerSnapshot[];
  },
  name: string,
  { image: wanted, process, host }: RecreateOptions,
): Promise<string[]> {
  const { table, images, leases, lifecycle, volumes } = context;
  const before = table.find(name);
  const { id, status } = before.record;
  if (status === "removing" || status === "dead")
    throw new PlyError(
      "conflict",
      `container ${before.record.name} is marked for removal and cannot be changed`,
    );
  const image = wanted === undefined ? before.image : images.resolve(wanted);
  const stack = image.id === before.image.id ? before.stack : await images.stackOf(image.id);
  const mountsBefore = before.record.mounts ?? [];
  const options = { image: wanted ?? before.record.imageName, process, host };
  const live = lifecycle.liveOf(id);
  const letGo = (kept: ContainerSettings["mounts"] = [], gone: ContainerSettings["mounts"] = []) => {
    const inSnapshots = context.snapshotsOf(id).flatMap((each) => each.volumes.map((volume) => volume.name));
    for (const { kind, source } of gone)
      if (
        kind === "volume" &&
        !inSnapshots.includes(source) &&
        !kept.some((mount) => mount.source === source)
      )
        volumes.release(source, id);
  };
  const { settings, warnings } = await settle(context, options, { id, image, mountsBefore });
  const wasActive = isActive(status);
  let isChanged = false;
  live.isRestarted = true;
  try {
    if (wasActive) await context.stop(id, {});
    await change(settings, { image, stack });
    isChanged = true;
    if (wasActive) await lifecycle.start(id);
  } catch (error) {
    if (isChanged) await change(settingsOf(before), before);
    letGo(mountsBefore, settings.mounts);
    if (wasActive) await lifecycle.start(id);
    if (!(error instanceof PlyError)) throw error;
    throw new PlyError(error.kind, `${messageOf(error)}; the container is as it was`, {
      cause: error,
      details: error.details,
    });
  } finally {
    live.isRestarted = false;
  }
  letGo(settings.mounts, mountsBefore);
  leases.end(`container:${id}`);
  holdImages(settings, image.id);
  lifecycle.emit(table.find(id).record, "recreate");
  return [...warnings];

  function holdImages({ mounts = [] }: ContainerSettings, own: ImageId): void {
    const lease = leases.hold(`container:${id}`);
    leases.addImage(lease, own);
    for (const { imageId } of mounts) if (imageId !== undefined) leases.addImage(lease, imageId);
  }

  /** In its turn: it does not run. */
  function change(to: ContainerSettings, base: Pick<ContainerDocument, "image" | "stack">): Promise<void> {
    return live.inTurn(async () => {
      const document = table.find(id);
      if (isActive(document.record.status))
        throw new PlyError("conflict", `container ${before.record.name} was started meanwhile`);
      holdImages(to, base.image.id);
      const { idMap: _, ...record } = document.record;
      table.put({
        ...document,
        image: base.image,
        stack: base.stack,
        record: { ...record, ...to, error: "" },
      });
    });
  }
}

function settingsOf({ record }: ContainerDocument): ContainerSettings {
  const { imageId, imageName, config, process, host, path, args, mounts = [], idMap } = record;
  const settings = { imageId, imageName, config, process, host, path, args, mounts };
  return idMap === undefined ? settings : { ...settings, idMap };
}
