import { rm } from "node:fs/promises";
import { messageOf } from "../error.ts";
import type { ContainerRecord } from "./containers.ts";
import type { LifecycleContext } from "./lifecycle-context.ts";
import { announceExit } from "./live.ts";
import type { Restarts } from "./restarts.ts";
import { releaseSharedMemory } from "./shared-memory.ts";

/**
 * Removes a container that does not run, in its turn, with all that is its own; its anonymous volumes as `volumes`
 * says. When that fails it is "dead", with the reason.
 */
export async function removeContainer(
  context: LifecycleContext & { readonly restarts: Restarts },
  record: ContainerRecord,
  options: { readonly volumes: boolean },
): Promise<void> {
  const { id } = record;
  const { table, runtime, snapshots, leases, register, restarts } = context;
  const { documentOf, update } = register;
  const live = register.liveOf(id);
  const dir = context.dirOf(id);
  try {
    for (const hold of live.logReaders) hold();
    context.networks.detach(id);
    await runtime.delete(id);
    await context.holds.letGo(record);
    await context.dropSnapshots(id);
    releaseSharedMemory(dir);
    await snapshots.discard(dir);
    await rm(dir, { recursive: true, force: true });
    await releaseVolumes(context, record, options);
  } catch (error) {
    update(documentOf(id), { status: "removing" });
    update(documentOf(id), { status: "dead", error: messageOf(error) });
    announceExit(live, { exitCode: record.exitCode, error: messageOf(error) });
    throw error;
  }
  leases.end(`container:${id}`);
  // Of a step that was never launched.
  context.launch.secretEnv.delete(id);
  restarts.forget(id);
  table.delete(id);
  register.forgetLive(id);
  live.streams.finish();
  register.emit(record, "destroy");
  live.removed.resolve({
    exitCode: record.exitCode,
    ...(record.error === "" ? {} : { error: record.error }),
  });
  if (!imageExists(context, record.imageId)) await context.collectGarbage?.();
}

function imageExists({ images }: LifecycleContext, id: string): boolean {
  try {
    images.resolve(id);
    return true;
  } catch {
    return false;
  }
}

async function releaseVolumes(
  { volumes }: LifecycleContext,
  record: ContainerRecord,
  options: { readonly volumes: boolean },
): Promise<void> {
  for (const { kind, source } of record.mounts ?? []) {
    if (kind !== "volume") continue;
    volumes.release(source, record.id);
    const volume = volumes.list().find(({ name }) => name === source);
    if (options.volumes && volume?.anonymous && volumes.usersOf(source).length === 0)
      await volumes.remove(source);
  }
}
