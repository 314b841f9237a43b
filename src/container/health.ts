import { messageOf } from "../error.ts";
import type { EventBus } from "../event/index.ts";
import type { ContainerRecord } from "./containers.ts";
import type { Execs } from "./execs.ts";
import type { HealthResult, HealthState } from "./health-state.ts";
import { type HealthPlan, healthPlan } from "./healthcheck.ts";
import { hasProcess } from "./state.ts";
import type { ContainerTable } from "./table.ts";

/** Results that are kept, and bytes of each one's output. */
const LOG_LIMIT = 5;
const OUTPUT_LIMIT = 4096;
const NOT_RUN = -1;

export interface HealthParts {
  readonly table: Pick<ContainerTable, "get" | "list" | "put">;
  readonly events: EventBus;
  readonly clock: () => number;
  readonly execs: () => Pick<Execs, "create" | "start" | "get" | "kill">;
  /** Does what the container asks for when it has become unhealthy. */
  readonly act: (id: string, action: "stop" | "restart") => Promise<unknown>;
  readonly report: (message: string, error: unknown) => void;
}

/** Asks the running containers how they are. What was found is in their records. */
export interface Health {
  /** The bus, listened to: containers that start are watched until they end. */
  readonly events: EventBus;
  /** Goes on with the containers that an earlier engine watched. */
  adopt(): void;
  close(): void;
}

interface Watch {
  readonly plan: HealthPlan;
  timer: NodeJS.Timeout | undefined;
  isOver: boolean;
}

export function createHealth(parts: HealthParts): Health {
  const { table, clock } = parts;
  const watches = new Map<string, Watch>();

  function recordOf(id: string): ContainerRecord | undefined {
    return table.get(id)?.record;
  }

  function put(id: string, health: HealthState): void {
    const document = table.get(id);
    if (document !== undefined) table.put({ ...document, record: { ...document.record, health } });
  }

  /** Puts what was found, and tells when it is news. */
  function found(record: ContainerRecord, health: HealthState): void {
    const { id } = record;
    put(id, health);
    if (record.health?.status === health.status) return;
    parts.events.emit({
      type: "container",
      action: `health_status: ${health.status}`,
      actor: {
        id,
        attributes: { ...record.config.Labels, image: record.imageName, name: record.name },
      },
    });
    const { onUnhealthy = "none" } = record.host.settings ?? {};
    if (health.status === "unhealthy" && onUnhealthy !== "none")
      parts
        .act(id, onUnhealthy)
        .catch((error: unknown) => parts.report(`container ${id} is unhealthy: ${onUnhealthy}`, error));
  }

  function begin(id: string, isAdopted: boolean): void {
    end(id);
    const record = recordOf(id);
    const plan = record === undefined ? undefined : healthPlan(record.config);
    if (plan === undefined) return;
    if (!isAdopted || record?.health === undefined)
      put(id, { status: "starting", failingStreak: 0, log: isAdopted ? [] : (record?.health?.log ?? []) });
    const watch: Watch = { plan, timer: undefined, isOver: false };
    watches.set(id, watch);
    schedule(id, watch);
  }

  function end(id: string): void {
    const watch = watches.get(id);
    if (watch === undefined) return;
    watch.isOver = true;
    clearTimeout(watch.timer);
    watches.delete(id);
  }

  function isGettingReady({ health, startedAt }: ContainerRecord, { startPeriodMs }: HealthPlan): boolean {
    return health?.status === "starting" && clock() - (startedAt ?? 0) < startPeriodMs;
  }

  function schedule(id: string, watch: Watch): void {
    const record = recordOf(id);
    if (watch.isOver || record === undefined) return;
    const { plan } = watch;
    const delay = isGettingReady(record, plan) ? plan.startIntervalMs : plan.intervalMs;
    watch.timer = setTimeout(() => {
      check(id, watch)
        .catch((error: unknown) => parts.report(`container ${id}: its health check`, error))
        .finally(() => schedule(id, watch));
    }, delay);
  }

  async function check(id: string, watch: Watch): Promise<void> {
    const before = recordOf(id);
    // A frozen one cannot answer, and is not ill for that.
    if (before?.status !== "running") return;
    const wasGettingReady = isGettingReady(before, watch.plan);
    const result = await probe(id, watch.plan);
    const record = recordOf(id);
    if (watch.isOver || record?.status !== "running") return;
    const { health = { status: "starting", failingStreak: 0, log: [] } } = record;
    found(record, nextHealth(health, result, { counts: !wasGettingReady, retries: watch.plan.retries }));
  }

  async function probe(id: string, plan: HealthPlan): Promise<HealthResult> {
    const startedAt = clock();
    const done = (exitCode: number, output: string) => ({ startedAt, endedAt: clock(), exitCode, output });
    const execs = parts.execs();
    let timer: NodeJS.Timeout | undefined;
    try {
      const execId = await execs.create(id, {
        cmd: plan.args,
        ...{ env: [], workingDir: "", user: "", tty: false, privileged: false },
        ...{ stdin: false, stdout: true, stderr: true, detachKeys: "" },
      });
      const timeUp = new Promise<"late">((resolve) => {
        timer = setTimeout(resolve, plan.timeoutMs, "late");
      });
      const printed = { text: "" };
      const run = runProbe(execs, execId, printed);
      run.catch(() => undefined);
      const ended = await Promise.race([run, timeUp]);
      if (ended !== "late") return done(ended, printed.text);
      execs
        .kill(execId)
        .catch((error: unknown) =>
          parts.report(`container ${id}: a health check that takes too long`, error),
        );
      const words = `Health check exceeded timeout (${plan.timeoutMs / 1000}s)`;
      return done(NOT_RUN, printed.text === "" ? words : `${words}: ${printed.text}`);
    } catch (error) {
      return done(NOT_RUN, messageOf(error));
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    events: {
      emit(event) {
        parts.events.emit(event);
        if (event.type !== "container") return;
        const { id } = event.actor;
        if (event.action === "start") begin(id, false);
        else if (event.action === "die") {
          const record = watches.has(id) ? recordOf(id) : undefined;
          end(id);
          // As Docker leaves it: whoever looks at a stopped container finds nothing well.
          if (record?.health !== undefined) put(id, { ...record.health, status: "unhealthy" });
        } else if (event.action === "destroy") end(id);
      },
      subscribe: (filter, signal) => parts.events.subscribe(filter, signal),
    },
    adopt() {
      for (const { record } of table.list()) if (hasProcess(record.status)) begin(record.id, true);
    },
    close() {
      for (const id of [...watches.keys()]) end(id);
    },
  };
}

/** Resolves with the exit code; `printed` grows meanwhile. */
async function runProbe(
  execs: Pick<Execs, "start" | "get">,
  execId: string,
  printed: { text: string },
): Promise<number> {
  const session = await execs.start(execId, { detach: false });
  if (session === undefined) return NOT_RUN;
  try {
    const decoder = new TextDecoder();
    for await (const { bytes } of session.output)
      if (printed.text.length < OUTPUT_LIMIT)
        printed.text = (printed.text + decoder.decode(bytes, { stream: true })).slice(0, OUTPUT_LIMIT);
    const failure = await session.failure;
    if (failure !== undefined) printed.text = failure;
    return execs.get(execId).exitCode ?? NOT_RUN;
  } finally {
    await session[Symbol.asyncDispose]();
  }
}

/** What a result makes of a state. `counts`: a failure does, for the time to get ready is over. */
export function nextHealth(
  { status, failingStreak, log }: HealthState,
  result: HealthResult,
  { counts, retries }: { readonly counts: boolean; readonly retries: number },
): HealthState {
  const kept = [...log, result].slice(-LOG_LIMIT);
  if (result.exitCode === 0) return { status: "healthy", failingStreak: 0, log: kept };
  const streak = failingStreak + (counts ? 1 : 0);
  return { status: counts && streak >= retries ? "unhealthy" : status, failingStreak: streak, log: kept };
}
