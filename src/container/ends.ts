import { isPlyError } from "../error.ts";
import type { ExitStatus } from "../runtime/index.ts";
import { takeDown } from "./bring-up.ts";
import type { ContainerRecord } from "./containers.ts";
import type { LifecycleContext } from "./lifecycle-context.ts";
import { announceExit } from "./live.ts";
import { restartsAfter } from "./restart-policy.ts";
import { hasProcess, isActive } from "./state.ts";

/** How runs end. */
export interface Ends {
  /** Records the end of a container that runs, when it comes. */
  watch(id: string): void;
  /** In the container's turn: its process has ended. */
  record(id: string, status: ExitStatus): Promise<void>;
  /** Resolves once the container does not run. */
  ended(id: string): Promise<void>;
  /** Stops watching; containers run on. */
  close(): void;
}

export interface EndsContext extends LifecycleContext {
  readonly restartLater: (id: string, ranMs: number) => void;
  /** In its turn. */
  readonly remove: (record: ContainerRecord, options: { readonly volumes: boolean }) => Promise<void>;
}

export function createEnds(context: EndsContext): Ends {
  const { table, runtime, register, dirOf, report } = context;
  const { liveOf, documentOf, update, emit } = register;
  const closing = new AbortController();

  function watch(id: string): void {
    const live = liveOf(id);
    runtime
      .waitExit(id, closing.signal)
      .then((status) => live.inTurn(() => record(id, status)))
      .catch((error: unknown) => {
        if (!isPlyError(error, "cancelled")) report(`container ${id}: recording its exit`, error);
      });
  }

  async function record(id: string, { exitCode, oomKilled, finishedAt }: ExitStatus): Promise<void> {
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
    if (autoRemove) await context.remove(record, { volumes: true });
    else {
      await takeDown(context, id, { dir: dirOf(id), upper: document.upper, made: document.mountpoints });
      if (isAgain) context.restartLater(id, seconds * 1000);
    }
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

  return { watch, record, ended, close: () => closing.abort() };
}
