import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nextDelay, restartPolicy, restartsAfter, startsWithEngine } from "./restart-policy.ts";

const end = (exitCode: number, more: { manuallyStopped?: boolean; restartCount?: number } = {}) => ({
  exitCode,
  manuallyStopped: false,
  restartCount: 0,
  ...more,
});

describe("restart policies", () => {
  test("no", () => {
    assert.equal(restartsAfter(restartPolicy("", 0), end(1)), false);
    assert.equal(restartsAfter(undefined, end(1)), false);
  });

  test("on-failure counts", () => {
    const twice = restartPolicy("on-failure", 2);
    assert.equal(restartsAfter(twice, end(0)), false);
    assert.equal(restartsAfter(twice, end(1)), true);
    assert.equal(restartsAfter(twice, end(1, { restartCount: 1 })), true);
    assert.equal(restartsAfter(twice, end(1, { restartCount: 2 })), false);
    assert.equal(restartsAfter(restartPolicy("on-failure", 0), end(1, { restartCount: 99 })), true);
  });

  test("a stop by hand ends all policies; an engine's start brings always back", () => {
    const stopped = end(137, { manuallyStopped: true });
    for (const name of ["always", "unless-stopped", "on-failure"] as const) {
      const policy = restartPolicy(name, 0);
      assert.equal(restartsAfter(policy, end(1)), true, name);
      assert.equal(restartsAfter(policy, stopped), false, name);
      assert.equal(startsWithEngine(policy, end(1)), true, name);
      assert.equal(startsWithEngine(policy, stopped), name === "always", name);
    }
  });

  test("delays double from 100 ms to a minute, and begin again after ten seconds", () => {
    const delays: number[] = [];
    for (let delay = nextDelay(undefined, 0); delays.length < 12; delay = nextDelay(delay, 5))
      delays.push(delay);
    assert.deepEqual(delays.slice(0, 4), [100, 200, 400, 800]);
    assert.equal(delays.at(-1), 60_000);
    assert.equal(nextDelay(60_000, 9_999), 60_000);
    assert.equal(nextDelay(60_000, 10_000), 100);
  });

  test("what is wrong is said in Docker's words", () => {
    assert.throws(
      () => restartPolicy("sometimes", 0),
      /unknown policy 'sometimes'; use one of 'no', 'always'/,
    );
    assert.throws(() => restartPolicy("always", 3), /can only be used with 'on-failure'/);
    assert.throws(() => restartPolicy("on-failure", -1), /cannot be negative/);
  });
});
