import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import { createEventBus, type EngineEvent } from "./index.ts";

const event = (action: string): Omit<EngineEvent, "timeNano"> => ({
  type: "image",
  action,
  actor: { id: action, attributes: {} },
});

function clock() {
  let time = 0n;
  return { now: () => time, set: (to: bigint) => (time = to) };
}

async function actionsOf(
  events: AsyncIterable<EngineEvent>,
  most = Number.POSITIVE_INFINITY,
): Promise<string[]> {
  const actions: string[] = [];
  for await (const { action } of events) if (actions.push(action) >= most) break;
  return actions;
}

test("a subscriber sees what comes after it subscribed, and ends when aborted", async () => {
  const bus = createEventBus({ remember: 10 });
  bus.emit(event("before"));
  const stop = new AbortController();
  const events = bus.subscribe({}, stop.signal);
  bus.emit(event("a"));
  const seen = actionsOf(events);
  await Promise.resolve();
  bus.emit(event("b"));
  setImmediate(() => stop.abort());
  assert.deepEqual(await seen, ["a", "b"]);
});

test("since and until in the past give the remembered events between, both ends included", async () => {
  const time = clock();
  const bus = createEventBus({ remember: 3, now: time.now });
  for (const [at, action] of ["forgotten", "a", "b", "c"].entries()) {
    time.set(BigInt(at));
    bus.emit(event(action));
  }
  const { signal } = new AbortController();
  time.set(10n);
  assert.deepEqual(await actionsOf(bus.subscribe({ since: 0n, until: 2n }, signal)), ["a", "b"]);
  assert.deepEqual(await actionsOf(bus.subscribe({ since: 2n, until: 10n }, signal)), ["b", "c"]);
  assert.deepEqual(
    await actionsOf(
      bus.subscribe({ since: 0n, until: 10n, matches: ({ action }) => action !== "b" }, signal),
    ),
    ["a", "c"],
  );
});

test("until in the future ends the stream by itself", async () => {
  const bus = createEventBus({ remember: 3 });
  const until = BigInt(Date.now() + 200) * 1_000_000n;
  const events = bus.subscribe({ until }, new AbortController().signal);
  bus.emit(event("a"));
  assert.deepEqual(await actionsOf(events), ["a"]);
});

test("times never repeat", async () => {
  const bus = createEventBus({ remember: 1000 });
  for (let count = 0; count < 1000; count++) bus.emit(event("a"));
  const times: bigint[] = [];
  const until = BigInt(Date.now() + 10_000) * 1_000_000n;
  for await (const { timeNano } of bus.subscribe({ since: 0n, until }, new AbortController().signal))
    if (times.push(timeNano) === 1000) break;
  assert.ok(times.every((time, at) => at === 0 || time > (times[at - 1] ?? time)));
});

test("a slow reader loses nothing up to the bound and is told beyond it", async () => {
  const bus = createEventBus({ remember: 100 });
  const { signal } = new AbortController();
  const within = bus.subscribe({}, signal);
  for (let count = 0; count < 100; count++) bus.emit(event(String(count)));
  assert.equal((await actionsOf(within, 100)).length, 100);
  const behind = bus.subscribe({}, signal);
  for (let count = 0; count < 101; count++) bus.emit(event(String(count)));
  await assert.rejects(actionsOf(behind, 1), (error) => isPlyError(error, "limit"));
});
