import { readdir, rm } from "node:fs/promises";
import type { ContainerRecord } from "./containers.ts";
import type { Ends } from "./ends.ts";
import type { LifecycleContext } from "./lifecycle-context.ts";
import { removeMountpoints } from "./mountpoint.ts";
import { startsWithEngine } from "./restart-policy.ts";
import type { Restarts } from "./restarts.ts";
import { recoverSharedMemory } from "./shared-memory.ts";
import type { Starts } from "./starts.ts";
import { hasProcess } from "./state.ts";
import type { ContainerDocument } from "./table.ts";

/** What Docker records for a container that ended while nobody looked and left no word (a reboot). */
const LOST_EXIT_CODE = 255;

export interface RecoveryContext extends LifecycleContext {
  readonly home: string;
  readonly restarts: Restarts;
  readonly starts: Starts;
  readonly ends: Ends;
  readonly remove: (record: ContainerRecord, options: { readonly volumes: boolean }) => Promise<void>;
}

/** Brings documents, processes, mounts and directories together after an engine start. */
export async function recoverContainers(context: RecoveryContext): Promise<void> {
  const { table, runtime, snapshots, volumes, leases, home, dirOf, report } = context;
  const known = new Set(await runtime.list());
  const isLive = ({ record }: ContainerDocument) => hasProcess(record.status) && known.has(record.id);
  const live = table.list().filter(isLive);
  await context.networks.adopt(new Map(live.map(({ record }) => [record.id, record.pid])));
  const liveDirs = new Set(live.map(({ record }) => dirOf(record.id)));
  await snapshots.recover(liveDirs);
  recoverSharedMemory(home, liveDirs);
  for (const { record } of live)
    await context.holds
      .hold(record)
      .catch((error: unknown) => report(`container ${record.id}: its mounts`, error));
  for (const document of table.list()) {
    const { record } = document;
    leases.addImage(leases.hold(`container:${record.id}`), record.imageId);
    for (const { kind, source, imageId } of record.mounts ?? []) {
      if (kind === "volume") volumes.retain(source, record.id);
      if (imageId !== undefined) leases.addImage(leases.hold(`container:${record.id}`), imageId);
    }
    await recoverOne(context, document, known.has(record.id)).catch((error: unknown) =>
      report(`container ${record.id}: taking it over from an earlier engine`, error),
    );
  }
  for (const id of known) if (table.get(id) === undefined) await runtime.delete(id);
  for (const name of await readdir(home).catch(() => []))
    if (table.get(name) === undefined) {
      await snapshots.discard(dirOf(name));
      await rm(dirOf(name), { recursive: true, force: true });
    }
}

async function recoverOne(
  context: RecoveryContext,
  { record, upper, mountpoints }: ContainerDocument,
  isKnown: boolean,
): Promise<void> {
  const { runtime, register, ends, clock } = context;
  const { id, status } = record;
  if (hasProcess(status) && isKnown) await adopt(context, id);
  else if (hasProcess(status))
    await register
      .liveOf(id)
      .inTurn(() => ends.record(id, { exitCode: LOST_EXIT_CODE, oomKilled: false, finishedAt: clock() }));
  // Nobody starts what was to go with its end: the engine was killed on the way, as a rule.
  else if (record.host.autoRemove || status === "removing" || status === "dead")
    await context.remove(record, { volumes: record.host.autoRemove });
  else {
    if (isKnown) await runtime.delete(id);
    if (upper !== null) removeMountpoints(upper, mountpoints);
  }
  startWithEngine(context, id);
}

/** An engine that died between freezing a container and writing it down, or the other way round, left a lie. */
async function adopt({ runtime, register, ends }: RecoveryContext, id: string): Promise<void> {
  const status = (await runtime.isPaused(id)) ? "paused" : "running";
  const document = register.documentOf(id);
  if (document.record.status !== status) register.update(document, { status });
  ends.watch(id);
}

function startWithEngine({ table, starts, restarts, report }: RecoveryContext, id: string): void {
  const record = table.get(id)?.record;
  if (record?.status === "restarting") starts.restartLater(id, 0);
  if (record?.status !== "exited" || record.startedAt === null) return;
  const { exitCode, restartCount = 0, manuallyStopped = false } = record;
  if (!startsWithEngine(record.host.restart, { exitCode, restartCount, manuallyStopped })) return;
  restarts.schedule(id, 0, () => {
    starts.start(id).catch((error: unknown) => report(`container ${id}: starting it with the engine`, error));
  });
}
