import type { IdMap } from "../linux/index.ts";
import { prepareLog } from "./container-logs.ts";
import { prepareLaunch } from "./launch.ts";
import type { LifecycleParts } from "./lifecycle-context.ts";
import type { Live } from "./live.ts";
import { type Mountpoint, removeMountpoints } from "./mountpoint.ts";
import { usersOf } from "./namespaces.ts";
import { finishNetwork, joinNetwork } from "./networking.ts";
import { stopwatch } from "./phase.ts";
import { closesStdin } from "./register.ts";
import { releaseSharedMemory } from "./shared-memory.ts";
import type { ContainerDocument } from "./table.ts";

export interface BroughtUp {
  readonly pid: number;
  /** The writable layer, absolute. */
  readonly upper: string;
  readonly idMap: IdMap | undefined;
  /** Milliseconds of each part. */
  readonly phases: Readonly<Record<string, number>>;
}

/**
 * All that a run needs, from the mounted root to the first process let go, in `dir`. What it makes in the root
 * is added to `made`. After a failure {@link takeDown} clears away what is there.
 */
export async function bringUp(
  {
    snapshots,
    runtime,
    holds,
    launch,
    networks,
  }: Pick<LifecycleParts, "snapshots" | "runtime" | "holds" | "launch" | "networks">,
  { record, stack, strata }: ContainerDocument,
  { dir, live, made }: { readonly dir: string; readonly live: Live; readonly made: Mountpoint[] },
): Promise<BroughtUp> {
  const { id, process, host } = record;
  const time = stopwatch();
  let upper = "";
  let idMap: IdMap | undefined;
  const prepareSpec = async () => {
    idMap = usersOf(record, launch.find).idMap;
    const isEphemeral = host.autoRemove || host.isStep === true;
    const [rootfs, network] = await both(
      snapshots.prepare(dir, stack, { isEphemeral, strata, idMap }),
      joinNetwork(networks, record, { find: launch.find, inUserNamespace: idMap !== undefined }),
    );
    upper = rootfs.upper;
    await holds.hold(record);
    time.lap("mount");
    const onMountpoint = (more: readonly Mountpoint[]) => made.push(...more);
    const spec = await prepareLaunch(launch, record, {
      dir,
      rootfs: rootfs.path,
      network,
      onMountpoint,
    });
    time.lap("spec");
    return spec;
  };
  const { pid } = await runtime.create({
    id,
    spec: prepareSpec(),
    runtime: host.settings?.runtime ?? "",
    terminal: process.tty,
    stdin: process.openStdin,
    stdinOnce: closesStdin(process),
    logPath: prepareLog(dir, host),
  });
  time.lap("create");
  if (live.streams.wantsConnection) live.streams.connect(await runtime.attach(id));
  await finishNetwork(networks, id, pid);
  time.lap("attach");
  await runtime.start(id);
  time.lap("start");
  return { pid, upper, idMap, phases: time.laps };
}

/** Clears away what a run leaves outside the writable layer, and in it the places that were made for mounts. */
export async function takeDown(
  {
    snapshots,
    runtime,
    holds,
    networks,
    table,
  }: Pick<LifecycleParts, "snapshots" | "runtime" | "holds" | "networks" | "table">,
  id: string,
  {
    dir,
    upper,
    made,
  }: { readonly dir: string; readonly upper: string | null; readonly made: readonly Mountpoint[] },
): Promise<void> {
  networks.detach(id);
  await runtime.delete(id);
  releaseSharedMemory(dir);
  await snapshots.release(dir);
  await holds.letGo(table.get(id)?.record);
  if (upper !== null) removeMountpoints(upper, made);
}

/** Ends when both have: what is to be cleared away after a failure is there by then. */
async function both<One, Other>(one: Promise<One>, other: Promise<Other>): Promise<[One, Other]> {
  await Promise.allSettled([one, other]);
  return Promise.all([one, other]);
}
