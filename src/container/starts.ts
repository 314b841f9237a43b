import { join } from "node:path";
import { isPlyError, messageOf, PlyError } from "../error.ts";
import { bringUp, takeDown } from "./bring-up.ts";
import type { ContainerRecord } from "./containers.ts";
import type { LifecycleContext } from "./lifecycle-context.ts";
import { announceExit, type Live } from "./live.ts";
import type { Mountpoint } from "./mountpoint.ts";
import type { Restarts } from "./restarts.ts";
import { isActive, nextStatus } from "./state.ts";
import type { ContainerDocument } from "./table.ts";

/** How containers come to run, by hand or by their restart policy. */
export interface Starts {
  /** False: it ran already. */
  start(id: string): Promise<boolean>;
  /** It waits in the state "restarting" for its next start; `ranMs`: how long the last run was. */
  restartLater(id: string, ranMs: number): void;
  /** False when it does not wait for a restart any more. */
  cancelRestart(id: string): Promise<boolean>;
}

export interface StartsContext extends LifecycleContext {
  readonly restarts: Restarts;
  /** In the container's turn, once it runs. */
  readonly onStarted: (id: string) => void;
  /** In its turn: one that goes with its end goes with a failed start too. */
  readonly remove: (record: ContainerRecord, options: { readonly volumes: boolean }) => Promise<void>;
}

export function createStarts(context: StartsContext): Starts {
  const { table, clock, register, restarts, dirOf, report } = context;
  const { liveOf, documentOf, update, emit } = register;

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
      const { pid, upper, idMap, phases } = await bringUp(context, document, { dir: dirOf(id), live, made });
      const begun = { pid, exitCode: 0, error: "", oomKilled: false, startedAt: clock(), phases, idMap };
      const record = update(
        document,
        { status: "running", ...begun, ...changes },
        { mountpoints: made, upper },
      );
      emit(record, "start");
      context.onStarted(id);
    } catch (error) {
      await afterFailedStart(document, live, made, error);
      throw error;
    }
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
      const upper = document.upper ?? join(dirOf(id), "upper");
      await takeDown(context, id, { dir: dirOf(id), upper, made });
      const record = update(document, {
        status: status === "restarting" ? "exited" : status,
        exitCode: typeof exitCode === "number" ? exitCode : 128,
        error: messageOf(error),
      });
      live.streams.finish();
      if (status === "restarting") announceExit(live, { exitCode: record.exitCode, error: record.error });
      if (host.autoRemove) await context.remove(record, { volumes: true });
    } catch (second) {
      report(`container ${id}: cleaning up after a failed start`, second);
      live.streams.finish();
    }
  }

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

  return { start, restartLater, cancelRestart };
}
