import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineEvent } from "../event/index.ts";
import type { ContainerRecord } from "./containers.ts";
import type { ExecSession, Execs } from "./execs.ts";
import { createHealth, nextHealth } from "./health.ts";
import type { HealthState } from "./health-state.ts";
import type { ContainerDocument } from "./table.ts";

const result = (exitCode: number) => ({ startedAt: 1, endedAt: 2, exitCode, output: String(exitCode) });
const fresh: HealthState = { status: "starting", failingStreak: 0, log: [] };

test("results: retries in a row, one success, five kept, failures while it gets ready", () => {
  const walk = (codes: readonly number[], counts = true) =>
    codes.reduce((state, code) => nextHealth(state, result(code), { counts, retries: 2 }), fresh);
  assert.deepEqual([walk([1]).status, walk([1]).failingStreak], ["starting", 1]);
  assert.equal(walk([1, 1]).status, "unhealthy");
  assert.deepEqual([walk([1, 1, 0]).status, walk([1, 1, 0]).failingStreak], ["healthy", 0]);
  assert.equal(walk([0, 1]).status, "healthy");
  assert.equal(walk([0, 1, -1]).status, "unhealthy");
  assert.deepEqual([walk([1, 1, 1], false).status, walk([1, 1, 1], false).failingStreak], ["starting", 0]);
  assert.equal(walk([0], false).status, "healthy");
  assert.deepEqual(
    walk([0, 1, 2, 3, 4, 5]).log.map(({ exitCode }) => exitCode),
    [1, 2, 3, 4, 5],
  );
});

/** One container whose probes end as told: with an exit code, or never. */
function monitored(options: {
  readonly probes: readonly (number | "never")[];
  readonly record?: object;
  readonly check?: object;
}) {
  const record = {
    id: "c1",
    name: "one",
    imageName: "i",
    status: "running",
    startedAt: 0,
    config: {
      Healthcheck: { Test: ["CMD", "probe"], Interval: 1e6, Timeout: 20e6, Retries: 1, ...options.check },
    },
    host: {},
    ...options.record,
  } as unknown as ContainerRecord;
  let document = { record } as ContainerDocument;
  const events: string[] = [];
  const acts: string[] = [];
  const enough = Promise.withResolvers<void>();
  let probe = 0;
  const execs: Pick<Execs, "create" | "start" | "get" | "kill"> = {
    create: async (_, { cmd }) => `${cmd.join(" ")} ${probe++}`,
    async start(id) {
      const code = options.probes[Number(id.split(" ")[1])];
      if (code === undefined) enough.resolve();
      async function* output() {
        if (code === undefined || code === "never") await new Promise(() => undefined);
        yield { stream: "stdout" as const, bytes: Buffer.alloc(5000, "x") };
      }
      return {
        output: output(),
        failure: Promise.resolve(undefined),
        [Symbol.asyncDispose]: async () => undefined,
      } as unknown as ExecSession;
    },
    kill: async () => undefined,
    get: (id) =>
      ({ exitCode: options.probes[Number(id.split(" ")[1])], pid: 0 }) as unknown as ReturnType<Execs["get"]>,
  };
  const health = createHealth({
    table: {
      get: () => document,
      list: () => [document],
      put: (changed) => {
        document = changed;
      },
    },
    events: {
      emit: ({ action }) => events.push(action),
      subscribe: () => {
        throw new Error("nobody listens");
      },
    },
    clock: () => 10,
    execs: () => execs,
    act: async (id, action) => {
      acts.push(`${action} ${id}`);
    },
    report: (message, error) => {
      throw new Error(message, { cause: error });
    },
  });
  const emit = (action: string) =>
    health.events.emit({ type: "container", action, actor: { id: "c1", attributes: {} } } as EngineEvent);
  return { health, emit, events, acts, done: enough.promise, found: () => document.record.health };
}

test("from its start on, until it ends: states, events, output cut short", async () => {
  const { emit, events, acts, done, found } = monitored({
    probes: [0, 1, 0],
    record: { host: { settings: { onUnhealthy: "stop" } } },
  });
  emit("start");
  assert.deepEqual(found(), fresh);
  await done;
  emit("die");
  assert.deepEqual(events, [
    "start",
    "health_status: healthy",
    "health_status: unhealthy",
    "health_status: healthy",
    "die",
  ]);
  assert.equal(found()?.status, "unhealthy");
  assert.deepEqual(
    found()?.log.map(({ exitCode, output }) => [exitCode, output.length]),
    [
      [0, 4096],
      [1, 4096],
      [0, 4096],
    ],
  );
  assert.deepEqual(acts, ["stop c1"]);
});

test("a probe that takes too long has failed", async () => {
  const { emit, done, found } = monitored({ probes: ["never"] });
  emit("start");
  await done;
  emit("destroy");
  assert.deepEqual(found()?.log[0]?.exitCode, -1);
  assert.equal(found()?.log[0]?.output, "Health check exceeded timeout (0.02s)");
  assert.equal(found()?.status, "unhealthy");
});

test("what an earlier engine found is gone on with; no check, no watch", async () => {
  const state: HealthState = { status: "healthy", failingStreak: 0, log: [result(0)] };
  const adopted = monitored({ probes: [0], record: { health: state } });
  adopted.health.adopt();
  await adopted.done;
  adopted.health.close();
  assert.equal(adopted.found()?.log.length, 2);
  assert.deepEqual(adopted.events, []);
  const none = monitored({ probes: [], check: { Test: ["NONE"] } });
  none.emit("start");
  assert.equal(none.found(), undefined);
});
