import { join } from "node:path";
import { PlyError } from "../error.ts";
import { sizeOfTree } from "../linux/index.ts";
import { openVolumesToCommit } from "./commit-volumes.ts";
import { openContainerLogs } from "./container-logs.ts";
import type { Containers } from "./containers.ts";
import { createControls } from "./controls.ts";
import { createContainer } from "./creation.ts";
import { withTrueContent } from "./detail.ts";
import { createHealth } from "./health.ts";
import { openLaunchContext } from "./launch.ts";
import { createLifecycle } from "./lifecycle.ts";
import { createMountHolds } from "./mount-holds.ts";
import { untouchedMountpoints } from "./mountpoint.ts";
import { createNetworking } from "./network-controls.ts";
import { openExecs } from "./open-execs.ts";
import { openSnapshots } from "./open-snapshots.ts";
import type { ContainersParts } from "./parts.ts";
import { createPlaces } from "./place.ts";
import { recreateContainer } from "./recreation.ts";
import { parseSignal } from "./signal.ts";
import { hasProcess, isActive } from "./state.ts";
import { type ContainerDocument, openContainerTable } from "./table.ts";
import { listProcesses, mustRun } from "./top.ts";
import { changesIn, pathsOf } from "./upper.ts";
import { createUserNamespaces, remapOf } from "./user-namespace.ts";
import { waitFor } from "./wait.ts";

const SIGKILL = 9;
/** Docker's grace between the stop signal and SIGKILL. */
const STOP_TIMEOUT_SECONDS = 10;

/** Containers as long as this engine owns them; on dispose they run on for the next one. */
export interface OpenContainers extends Containers, AsyncDisposable {
  /** Ids of the containers that run now. */
  isRunning(id: string): boolean;
  /** The writable layer in overlayfs form. */
  upperOf(id: string): Promise<string>;
}

/**
 * Opens the containers of a root: those that still run are adopted, what a crash or a reboot left behind is
 * cleared away, and exits that happened meanwhile are recorded. Calls `snapshots.recover`.
 */
export async function openContainers(parts: ContainersParts): Promise<OpenContainers> {
  const table = openContainerTable(parts.records);
  const holds = createMountHolds(parts);
  const launch = await openLaunchContext(
    parts.volumes,
    holds,
    parts.runtime,
    (name) => table.find(name).record,
  );
  const { usernsRemap = "" } = parts;
  // A setting that cannot work is told at once, not at the first container.
  if (usernsRemap !== "") await remapOf(usernsRemap);
  const userNamespaces = createUserNamespaces(usernsRemap);
  const clock = parts.clock ?? Date.now;
  const dirOf = (id: string): string => join(parts.root, "containers", id);
  const health = createHealth({
    table,
    events: parts.events,
    clock,
    execs: () => containers.execs,
    act: (id, action) => (action === "stop" ? stop(id, {}) : containers.restart(id, {})),
    report: (message, error) => parts.onTrouble?.(message, error),
  });
  const lifecycle = createLifecycle({
    ...parts,
    holds,
    events: health.events,
    table,
    launch,
    clock,
    dropSnapshots: (id) => snapshots.dropAll(id),
  });
  const snapshots = openSnapshots({
    ...parts,
    table,
    lifecycle,
    clock,
    records: parts.snapshotRecords,
    stop,
    dirOf,
    report: (message, error) => parts.onTrouble?.(message, error),
  });
  await lifecycle.recover();
  await snapshots.recover();
  await parts.volumes.settle();
  const { emit, liveOf } = lifecycle;
  const creation = { ...parts, holds, table, launch, userNamespaces, lifecycle, clock, dirOf };
  const networking = createNetworking({ ...parts, table, lifecycle, dirOf });
  const containerLogs = openContainerLogs({ ...parts, table, liveOf });

  async function kill(name: string, signal: string): Promise<void> {
    const number = parseSignal(signal === "" ? "SIGKILL" : signal);
    const { record } = table.find(name);
    const stops = number === SIGKILL || number === parseSignal(record.config.StopSignal || "SIGTERM");
    await lifecycle.kill(record.id, number, { stops });
    // As with Docker, a killed container has stopped when the answer comes.
    if (number === SIGKILL) await lifecycle.ended(record.id);
  }

  async function stop(
    name: string,
    options: { readonly signal?: string; readonly timeoutSeconds?: number },
  ): Promise<boolean> {
    const { record } = table.find(name);
    const signal = parseSignal(options.signal ?? record.config.StopSignal ?? "SIGTERM");
    if (!isActive(record.status)) return false;
    const seconds = options.timeoutSeconds ?? record.config.StopTimeout ?? STOP_TIMEOUT_SECONDS;
    const ended = lifecycle.ended(record.id);
    const stops = { stops: true };
    await lifecycle.kill(record.id, signal, stops).catch(ignoreGone);
    if (!(await endsWithin(ended, seconds)))
      await lifecycle.kill(record.id, SIGKILL, stops).catch(ignoreGone);
    await ended;
    emit(record, "stop");
    return true;
  }

  /** With the strata of its writable layer, top first. */
  async function withUpper<T>(
    name: string,
    use: (upper: readonly string[], document: ContainerDocument) => Promise<T>,
  ) {
    const { id } = table.find(name).record;
    const upper = await lifecycle.upperOf(id);
    const document = table.find(id);
    return use(document.strata?.map((stratum) => join(dirOf(id), stratum)) ?? [upper], document);
  }

  const openPlace = createPlaces({
    ...parts,
    holds,
    table,
    liveOf,
    emit,
    dirOf,
    report: (message, error) => parts.onTrouble?.(message, error),
  });

  const containers: OpenContainers = {
    upperOf: (id) => lifecycle.upperOf(id),
    create: (options) => createContainer(creation, options),
    recreate: (name, options) =>
      recreateContainer({ ...creation, stop, snapshotsOf: snapshots.list }, name, options),
    openPlace,
    get: (name) => table.find(name).record,
    list: () => table.list().map(({ record }) => record),
    isRunning: (id) => isActive(table.get(id)?.record.status ?? "exited"),
    logs: containerLogs.logs,
    clearLogs: containerLogs.clearLogs,
    ...createControls({ ...parts, table, lifecycle, stop, renamed: networking.renamed }),
    connectNetwork: networking.connectNetwork,
    disconnectNetwork: networking.disconnectNetwork,
    async attach(name, streams) {
      const { record } = table.find(name);
      const live = liveOf(record.id);
      const attachment = live.streams.attach({
        ...streams,
        stdin: streams.stdin && record.process.openStdin,
      });
      try {
        await lifecycle.connect(record.id);
      } catch (error) {
        await attachment[Symbol.asyncDispose]();
        throw error;
      }
      emit(record, "attach");
      return attachment;
    },
    execs: openExecs({
      runtime: parts.runtime,
      capabilities: launch.capabilities,
      emit,
      clock,
      find: (name) => table.find(name).record,
    }),
    async top(name, options) {
      const { record } = table.find(name);
      mustRun(record);
      return listProcesses(record, await parts.runtime.processIds(record.id), options);
    },
    start: (name) => lifecycle.start(table.find(name).record.id),
    wait: (name, condition, signal) => {
      const { record } = table.find(name);
      return waitFor({ record, live: liveOf(record.id), condition, signal });
    },
    kill,
    stop,
    async resize(name, size) {
      const { record } = table.find(name);
      if (!hasProcess(record.status))
        throw new PlyError(
          "conflict",
          `cannot resize a stopped container: container ${record.id} is not running`,
        );
      await parts.runtime.resize(record.id, size);
      emit(record, "resize", { height: String(size.rows), width: String(size.columns) });
    },
    remove: (name, options) => lifecycle.remove(table.find(name).record.id, options),
    detailedChanges: (name) =>
      withUpper(name, async (upper, { stack, mountpoints }) =>
        withTrueContent(await changesIn(upper, stack, mountpoints), upper, stack, parts.snapshots),
      ),
    changes: (name) =>
      withUpper(name, (upper, { stack, mountpoints }) => changesIn(upper, stack, mountpoints)),
    commit: (name, { volumes: isWhole = false, ...options }) =>
      withUpper(name, async (upper, { record, image, mountpoints }) => {
        const { id: containerId, config } = record;
        const made = untouchedMountpoints(upper[0] ?? "", mountpoints);
        await using whole = isWhole ? await openVolumesToCommit(parts.volumes, record, made) : undefined;
        const content = whole ?? { without: pathsOf(made) };
        const source = { parent: image, containerId, config, upper, ...content };
        const committed = await parts.images.commit(source, options);
        emit(record, "commit", { comment: options.comment ?? "", imageID: committed });
        return committed;
      }),
    sizeOf: (name) =>
      withUpper(name, async (upper) => {
        const sizes = await Promise.all(upper.map(sizeOfTree));
        return sizes.reduce((sum, size) => sum + size, 0);
      }),
    snapshots,
    [Symbol.asyncDispose]: () => {
      health.close();
      containerLogs[Symbol.dispose]();
      return lifecycle.close();
    },
  };
  health.adopt();
  return containers;
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof PlyError) || error.kind !== "conflict") throw error;
}

/** A negative time means for ever. */
async function endsWithin(ended: Promise<unknown>, seconds: number): Promise<boolean> {
  if (seconds < 0) {
    await ended;
    return true;
  }
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.min(seconds * 1000, 2 ** 31 - 1));
  });
  const inTime = await Promise.race([ended.then(() => true as const), timeUp]);
  clearTimeout(timer);
  return inTime;
}
