import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isPlyError, messageOf, PlyError } from "../error.ts";
import type { ExitStatus } from "../runtime/index.ts";
import { prepareLog } from "./container-logs.ts";
import type { ContainerRecord } from "./containers.ts";
import { type LaunchContext, prepareLaunch } from "./launch.ts";
import { announceExit, createLive, type Live } from "./live.ts";
import { type Mountpoint, removeMountpoints } from "./mountpoint.ts";
import type { ContainersParts } from "./parts.ts";
import { stopwatch } from "./phase.ts";
import { restartsAfter, startsWithEngine } from "./restart-policy.ts";
import { createRestarts } from "./restarts.ts";
import { hasProcess, isActive, nextStatus } from "./state.ts";
import type { ContainerDocument, ContainerTable } from "./table.ts";

const SIGKILL = 9;
/** What Docker records for a container that ended while nobody looked and left no word (a reboot). */
const LOST_EXIT_CODE = 255;

export interface LifecycleParts extends ContainersParts {
  readonly table: ContainerTable;
  readonly launch: LaunchContext;
  readonly clock: () => number;
}

/** What happens to a container between its creation and its removal. Ids are whole. */
export interface Lifecycle {
  emit(record: ContainerRecord, action: string, more?: Readonly<Record<string, string>>): void;
  liveOf(id: string): Live;
  /** Brings documents, processes, mounts and directories together after an engine start. */
  recover(): Promise<void>;
  start(id: string): Promise<boolean>;
  /** Throws "conflict" when it does not run. `stops`: it is meant to end, for good, and woken for it. */
  kill(id: string, signal: number, options: { readonly stops: boolean }): Promise<void>;
  /** Puts fields of its record, in its turn; a change of status must be in the table of states. */
  change(id: string, changes: Partial<ContainerRecord>): ContainerRecord;
  /** Resolves once the container does not run. */
  ended(id: string): Promise<void>;
  /** Connects waiting clients to a running container. */
  connect(id: string): Promise<void>;
  remove(id: string, options: { readonly force: boolean; readonly volumes: boolean }): Promise<void>;
  /** The writable layer, made if the container never ran. */
  upperOf(id: string): Promise<string>;
  /** Stops watching; containers run on. */
  close(): Promise<void>;
}

export function createLifecycle(parts: LifecycleParts): Lifecycle {
  const { table, runtime, snapshots, volumes, clock } = parts;
  const home = join(parts.root, "containers");
  const lives = new Map<string, Live>();
  const closing = new AbortController();
  const restarts = createRestarts();
  const dirOf = (id: string): string => join(home, id);
  const report = (message: string, error: unknown) => parts.onTrouble?.(message, error);

  function liveOf(id: string): Live {
    let live = lives.get(id);
    if (live === undefined) {
      const process = table.get(id)?.record.process;
      live = createLive({ closesStdin: closesStdin(process) });
      lives.set(id, live);
    }
    return live;
  }

  function documentOf(id: string): ContainerDocument {
    const document = table.get(id);
    if (document === undefined) throw new PlyError("not-found", `No such container: ${id}`);
    return document;
  }

  /** Puts the container's record with these fields changed; a change of status must be in the table of states. */
  function update(
    document: ContainerDocument,
    changes: Partial<ContainerRecord>,
    rest: Partial<Omit<ContainerDocument, "record">> = {},
  ): ContainerRecord {
    const { record } = document;
    if (changes.status !== undefined) nextStatus(record.status, changes.status, record.id);
    const changed = { ...record, ...changes };
    table.put({ ...document, ...rest, record: changed });
    return changed;
  }

  const emit: Lifecycle["emit"] = (record, action, more = {}) =>
    parts.events.emit({
      type: "container",
      action,
      actor: {
        id: record.id,
        attributes: { ...record.config.Labels, image: record.imageName, name: record.name, ...more },
      },
    });

  async function start(id: string): Promise<boolean> {
    const live = liveOf(id);
    return live.inTurn(async () => {
      const document = documentOf(id);
      const { status } = document.record;
      if (status === "paused")
        throw new PlyError("conflict", "cannot start a paused container, try unpause instead");
      if (isActive(status)) return false;
      restarts.forget(id);
      await startNow(document, live, { restartCount: 0, manuallyStopped: false });
      return true;
    });
  }

  /** In the container's turn. */
  async function startNow(
    document: ContainerDocument,
    live: Live,
    changes: Partial<ContainerRecord>,
  ): Promise<void> {
    const { id } = document.record;
    nextStatus(document.record.status, "running", id);
    const made: Mountpoint[] = [];
    try {
      const { pid, upper, phases } = await launch(document, live, made);
      const begun = { pid, exitCode: 0, error: "", oomKilled: false, startedAt: clock(), phases };
      const record = update(
        document,
        { status: "running", ...begun, ...changes },
        { mountpoints: made, upper },
      );
      emit(record, "start");
      watch(id);
    } catch (error) {
      await afterFailedStart(document, live, made, error);
      throw error;
    }
  }

  /** It waits in the state "restarting" for its next start. */
  function restartLater(id: string, ranMs: number): void {
    const live = liveOf(id);
    const again = async () => {
      const document = table.get(id);
      if (document?.record.status === "restarting") await startNow(document, live, {});
    };
    restarts.schedule(id, ranMs, () => {
      live.inTurn(again).catch((error: unknown) => report(`container ${id}: restarting it`, error));
    });
  }

  /** False when it does not wait for a restart any more. */
  async function cancelRestart(id: string): Promise<boolean> {
    const live = liveOf(id);
    return live.inTurn(async () => {
      const document = table.get(id);
      if (document?.record.status !== "restarting") return false;
      restarts.forget(id);
      const { exitCode } = update(document, { status: "exited", manuallyStopped: true });
      announceExit(live, { exitCode });
      return true;
    });
  }

  async function launch(document: ContainerDocument, live: Live, made: Mountpoint[]) {
    const { record, stack } = document;
    const { id, process, host } = record;
    const dir = dirOf(id);
    const time = stopwatch();
    let upper = "";
    const prepareSpec = async () => {
      const rootfs = await snapshots.prepare(dir, stack, { isEphemeral: host.autoRemove });
      upper = rootfs.upper;
      time.lap("mount");
      const onMountpoint = (more: readonly Mountpoint[]) => made.push(...more);
      const spec = await prepareLaunch(parts.launch, record, { dir, rootfs: rootfs.path, onMountpoint });
      time.lap("spec");
      return spec;
    };
    const { pid } = await runtime.create({
      id,
      spec: prepareSpec(),
      terminal: process.tty,
      stdin: process.openStdin,
      stdinOnce: closesStdin(process),
      logPath: prepareLog(dir, host),
    });
    time.lap("create");
    if (live.streams.wantsConnection) live.streams.connect(await runtime.attach(id));
    time.lap("attach");
    await runtime.start(id);
    time.lap("start");
    return { pid, upper, phases: time.laps };
  }

  async function afterFailedStart(
    document: ContainerDocument,
    live: Live,
    made: readonly Mountpoint[],
    error: unknown,
  ): Promise<void> {
    const { id, status, host } = document.record;
    const exitCode = isPlyError(error) ? error.details["exitCode"] : undefined;
    try {
      await runtime.delete(id);
      await snapshots.release(dirOf(id));
      const upper = document.upper ?? join(dirOf(id), "upper");
      removeMountpoints(upper, made);
      const record = update(document, {
        status: status === "restarting" ? "exited" : status,
        exitCode: typeof exitCode === "number" ? exitCode : 128,
        error: messageOf(error),
      });
      live.streams.finish();
      if (status === "restarting") announceExit(live, { exitCode: record.exitCode, error: record.error });
      if (host.autoRemove) await removeNow(record, { volumes: true });
    } catch (second) {
      report(`container ${id}: cleaning up after a failed start`, second);
      live.streams.finish();
    }
  }

  function watch(id: string): void {
    const live = liveOf(id);
    runtime
      .waitExit(id, closing.signal)
      .then((status) => live.inTurn(() => onExit(id, status)))
      .catch((error: unknown) => {
        if (!isPlyError(error, "cancelled")) report(`container ${id}: recording its exit`, error);
      });
  }

  async function onExit(id: string, { exitCode, oomKilled, finishedAt }: ExitStatus): Promise<void> {
    const document = documentOf(id);
    if (!hasProcess(document.record.status)) return;
    const live = liveOf(id);
    // Connected clients read to the end of the connection, which may still hold output.
    if (!live.streams.isConnected) live.streams.finish();
    const { restartCount = 0, manuallyStopped = false, host } = document.record;
    const isAgain = restartsAfter(host.restart, { exitCode, manuallyStopped, restartCount });
    const after = isAgain ? { status: "restarting", restartCount: restartCount + 1 } : { status: "exited" };
    const ended = { ...(after as Partial<ContainerRecord>), pid: 0, exitCode, oomKilled, finishedAt };
    const autoRemove = host.autoRemove && !live.isRestarted;
    // The exit code is in the database before its file goes. A container that goes with it needs neither.
    const record = autoRemove ? { ...document.record, ...ended } : update(document, ended);
    const seconds = Math.max(0, Math.round((finishedAt - (record.startedAt ?? finishedAt)) / 1000));
    if (oomKilled) emit(record, "oom");
    emit(record, "die", { exitCode: String(exitCode), execDuration: String(seconds) });
    announceExit(live, { exitCode });
    if (autoRemove) await removeNow(record, { volumes: true });
    else {
      await runtime.delete(id);
      await snapshots.release(dirOf(id));
      if (document.upper !== null) removeMountpoints(document.upper, document.mountpoints);
      if (isAgain) restartLater(id, seconds * 1000);
    }
  }

  /** In the container's turn; it does not run any more. */
  async function removeNow(record: ContainerRecord, options: { readonly volumes: boolean }): Promise<void> {
    const { id } = record;
    const live = liveOf(id);
    try {
      for (const hold of live.logReaders) hold();
      await runtime.delete(id);
      await snapshots.discard(dirOf(id));
      await rm(dirOf(id), { recursive: true, force: true });
      await releaseVolumes(record, options);
    } catch (error) {
      update(documentOf(id), { status: "removing" });
      update(documentOf(id), { status: "dead", error: messageOf(error) });
      announceExit(live, { exitCode: record.exitCode, error: messageOf(error) });
      throw error;
    }
    parts.leases.end(`container:${id}`);
    restarts.forget(id);
    table.delete(id);
    lives.delete(id);
    live.streams.finish();
    emit(record, "destroy");
    live.removed.resolve({
      exitCode: record.exitCode,
      ...(record.error === "" ? {} : { error: record.error }),
    });
    if (!imageExists(record.imageId)) await parts.collectGarbage?.();
  }

  function imageExists(id: string): boolean {
    try {
      parts.images.resolve(id);
      return true;
    } catch {
      return false;
    }
  }

  async function releaseVolumes(
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

  async function kill(id: string, signal: number, { stops }: { readonly stops: boolean }): Promise<void> {
    if (documentOf(id).record.status === "restarting" && (await cancelRestart(id))) return;
    let { record } = documentOf(id);
    const notRunning = () =>
      new PlyError("conflict", `cannot kill container: ${record.name}: container ${id} is not running`);
    if (!hasProcess(record.status)) throw notRunning();
    if (stops) record = update(documentOf(id), { manuallyStopped: true });
    try {
      await runtime.kill(id, signal);
    } catch (error) {
      throw isPlyError(error, "conflict") ? notRunning() : error;
    }
    if (stops && record.status === "paused") await wake(id);
    emit(record, "kill", { signal: String(signal) });
  }

  /** What is frozen gets its signal when it goes on. */
  async function wake(id: string): Promise<void> {
    await liveOf(id).inTurn(async () => {
      if (table.get(id)?.record.status !== "paused") return;
      await runtime.resume(id);
      emit(update(documentOf(id), { status: "running" }), "unpause");
    });
  }

  async function ended(id: string): Promise<void> {
    const statusNow = () => table.get(id)?.record.status ?? "exited";
    if (!isActive(statusNow())) return;
    do {
      // One that removes itself counts as running until it is gone: its exit may have been announced already.
      const { nextExit, removed } = liveOf(id);
      await Promise.race([nextExit.promise, removed.promise]);
    } while (statusNow() === "restarting");
  }

  async function remove(
    id: string,
    options: { readonly force: boolean; readonly volumes: boolean },
  ): Promise<void> {
    for (let isFirst = true; ; isFirst = false) {
      const document = table.get(id);
      // Gone while we waited for its end: it was to be removed by itself.
      if (document === undefined && !isFirst) return;
      const { record } = documentOf(id);
      if (isActive(record.status)) {
        const cure =
          record.status === "paused"
            ? " and must be unpaused first"
            : ": stop the container before removing or force remove";
        if (!options.force)
          throw new PlyError(
            "conflict",
            `cannot remove container "/${record.name}": container is ${record.status}${cure}`,
          );
        const live = liveOf(id);
        await kill(id, SIGKILL, { stops: true }).catch(ignoreGone);
        await ended(id);
        // What follows the exit, its own removal perhaps, comes first.
        await live.inTurn(async () => undefined);
        continue;
      }
      const done = await liveOf(id).inTurn(async () => {
        const current = table.get(id);
        if (current === undefined) return true;
        if (isActive(current.record.status)) return false;
        await removeNow(update(current, { status: "removing" }), options);
        return true;
      });
      if (done) return;
    }
  }

  async function connect(id: string): Promise<void> {
    const live = liveOf(id);
    if (!hasProcess(documentOf(id).record.status)) return;
    await live.inTurn(async () => {
      if (!hasProcess(table.get(id)?.record.status ?? "exited") || !live.streams.wantsConnection) return;
      const streams = await runtime.attach(id).catch((error: unknown) => {
        // It ended this moment, and its socket with it.
        if (isPlyError(error, "not-found") || isPlyError(error, "unavailable") || isMissing(error))
          return undefined;
        throw error;
      });
      if (streams === undefined) live.streams.finish();
      else live.streams.connect(streams);
    });
  }

  async function upperOf(id: string): Promise<string> {
    const { upper: known } = documentOf(id);
    if (known !== null) return known;
    return liveOf(id).inTurn(async () => {
      const document = documentOf(id);
      if (document.upper !== null) return document.upper;
      const { upper } = await snapshots.prepare(dirOf(id), document.stack);
      await snapshots.release(dirOf(id));
      table.put({ ...document, upper });
      return upper;
    });
  }

  async function recover(): Promise<void> {
    const known = new Set(await runtime.list());
    const isLive = ({ record }: ContainerDocument) => hasProcess(record.status) && known.has(record.id);
    await snapshots.recover(
      new Set(
        table
          .list()
          .filter(isLive)
          .map(({ record }) => dirOf(record.id)),
      ),
    );
    for (const document of table.list()) {
      const { record } = document;
      parts.leases.addImage(parts.leases.hold(`container:${record.id}`), record.imageId);
      for (const { kind, source } of record.mounts ?? [])
        if (kind === "volume") volumes.retain(source, record.id);
      await recoverOne(document, known.has(record.id)).catch((error: unknown) =>
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
    { record, upper, mountpoints }: ContainerDocument,
    isKnown: boolean,
  ): Promise<void> {
    const { id, status } = record;
    if (hasProcess(status) && isKnown) await adopt(id);
    else if (hasProcess(status))
      await liveOf(id).inTurn(() =>
        onExit(id, { exitCode: LOST_EXIT_CODE, oomKilled: false, finishedAt: clock() }),
      );
    // Nobody starts what was to go with its end: the engine was killed on the way, as a rule.
    else if (record.host.autoRemove || status === "removing" || status === "dead")
      await removeNow(record, { volumes: record.host.autoRemove });
    else {
      if (isKnown) await runtime.delete(id);
      if (upper !== null) removeMountpoints(upper, mountpoints);
    }
    startWithEngine(id);
  }

  /** An engine that died between freezing a container and writing it down, or the other way round, left a lie. */
  async function adopt(id: string): Promise<void> {
    const status = (await runtime.isPaused(id)) ? "paused" : "running";
    const document = documentOf(id);
    if (document.record.status !== status) update(document, { status });
    watch(id);
  }

  function startWithEngine(id: string): void {
    const record = table.get(id)?.record;
    if (record?.status === "restarting") restartLater(id, 0);
    if (record?.status !== "exited" || record.startedAt === null) return;
    const { exitCode, restartCount = 0, manuallyStopped = false } = record;
    if (!startsWithEngine(record.host.restart, { exitCode, restartCount, manuallyStopped })) return;
    restarts.schedule(id, 0, () => {
      start(id).catch((error: unknown) => report(`container ${id}: starting it with the engine`, error));
    });
  }

  return {
    emit,
    liveOf,
    recover,
    start,
    change: (id, changes) => update(documentOf(id), changes),
    kill,
    ended,
    connect,
    remove,
    upperOf,
    async close() {
      closing.abort();
      restarts[Symbol.dispose]();
      await Promise.all([...lives.values()].map((live) => live.inTurn(async () => undefined)));
    },
  };
}

/** A terminal's input has no end: only pipes are closed with the client that feeds them. */
function closesStdin(process: ContainerRecord["process"] | undefined): boolean {
  return process?.openStdin === true && process.stdinOnce && !process.tty;
}

function ignoreGone(error: unknown): void {
  if (!isPlyError(error, "conflict")) throw error;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
