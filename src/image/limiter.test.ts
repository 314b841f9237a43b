import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError, PlyError } from "../error.ts";
import { allOrNone, openLimiter } from "./limiter.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("openLimiter", () => {
  test("never runs more than its places, and runs all in order", async () => {
    const limiter = openLimiter(2);
    let running = 0;
    let most = 0;
    const order: number[] = [];
    await Promise.all(
      [0, 1, 2, 3, 4].map((number) =>
        limiter.run(async () => {
          order.push(number);
          most = Math.max(most, ++running);
          await turn();
          running--;
        }),
      ),
    );
    assert.deepEqual({ most, order }, { most: 2, order: [0, 1, 2, 3, 4] });
  });

  test("one that is aborted while it waits never starts and takes no place", async () => {
    const limiter = openLimiter(1);
    const gate = Promise.withResolvers<void>();
    const first = limiter.run(() => gate.promise);
    const stop = new AbortController();
    let started = false;
    const second = limiter.run(async () => {
      started = true;
    }, stop.signal);
    const third = limiter.run(async () => "third");
    stop.abort();
    await assert.rejects(second, (error) => isPlyError(error, "cancelled"));
    gate.resolve();
    await first;
    assert.equal(await third, "third");
    assert.equal(await limiter.run(async () => "fourth"), "fourth");
    assert.equal(started, false);
  });

  test("a failure gives its place back", async () => {
    const limiter = openLimiter(1);
    await assert.rejects(limiter.run(() => Promise.reject(new Error("no"))));
    assert.equal(await limiter.run(async () => 1), 1);
  });
});

describe("allOrNone", () => {
  test("the first failure stops the others, and is the one thrown", async () => {
    const ended: string[] = [];
    const waiter = async (signal: AbortSignal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      ended.push("waiter");
      throw new PlyError("cancelled", "stopped");
    };
    await assert.rejects(
      allOrNone([waiter, () => Promise.reject(new PlyError("corrupt", "bad layer"))]),
      (error) => isPlyError(error, "corrupt"),
    );
    assert.deepEqual(ended, ["waiter"]);
  });

  test("results are in the order of the tasks", async () => {
    const results = await allOrNone([
      async () => {
        await turn();
        return 1;
      },
      async () => 2,
    ]);
    assert.deepEqual(results, [1, 2]);
  });
});
