import { join } from "node:path";
import { isPlyError, PlyError } from "../error.ts";
import { isGone } from "../linux/index.ts";
import type { ContainerRecord } from "./containers.ts";
import { createEnds } from "./ends.ts";
import type { LifecycleContext, LifecycleParts } from "./lifecycle-context.ts";
import type { Live } from "./live.ts";
import { recoverContainers } from "./recovery.ts";
import { createRegister } from "./register.ts";
import { removeContainer } from "./removal.ts";
import { createRestarts } from "./restarts.ts";
import { createStarts, type Starts } from "./starts.ts";
import { hasProcess, isActive } from "./state.ts";

const SIGKILL = 9;

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
  const { table, runtime, snapshots } = parts;
  const home = join(parts.root, "containers");
  const register = createRegister(parts);
  const { liveOf, documentOf, update, emit } = register;
  const restarts = createRestarts();
  const context: LifecycleContext = {
    ...parts,
    register,
    dirOf: (id) => join(home, id),
    report: (message, error) => parts.onTrouble?.(message, error),
  };
  const removeNow = (record: ContainerRecord, options: { readonly volumes: boolean }) =>
    removeContainer({ ...context, restarts }, record, options);
  const ends = createEnds({
    ...context,
    remove: removeNow,
    restartLater: (id, ranMs) => starts.restartLater(id, ranMs),
  });
  const starts: Starts = createStarts({ ...context, restarts, remove: removeNow, onStarted: ends.watch });

  async function kill(id: string, signal: number, { stops }: { readonly stops: boolean }): Promise<void> {
    if (documentOf(id).record.status === "restarting" && (await starts.cancelRestart(id))) return;
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
        await ends.ended(id);
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
        if (isGone(error) || isPlyError(error, "unavailable")) return undefined;
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
      const dir = context.dirOf(id);
      const { upper } = await snapshots.prepare(dir, document.stack);
      await snapshots.release(dir);
      table.put({ ...document, upper });
      return upper;
    });
  }

  return {
    emit,
    liveOf,
    recover: () => recoverContainers({ ...context, home, restarts, starts, ends, remove: removeNow }),
    start: starts.start,
    change: (id, changes) => update(documentOf(id), changes),
    kill,
    ended: ends.ended,
    connect,
    remove,
    upperOf,
    async close() {
      ends.close();
      restarts[Symbol.dispose]();
      await Promise.all(register.lives().map((live) => live.inTurn(async () => undefined)));
    },
  };
}

function ignoreGone(error: unknown): void {
  if (!isPlyError(error, "conflict")) throw error;
}
