import assert from "node:assert/strict";
import { test } from "node:test";
import { createTurns, shareTurns } from "./turn.ts";

test("work about the same thing goes one after the other, failures too; other work goes beside it", async () => {
  const turns = createTurns();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take("a", async () => {
    await gate.promise;
    order.push("first");
    throw new Error("no");
  });
  const second = turns.take("a", async () => void order.push("second"));
  await turns.take("b", async () => void order.push("beside"));
  gate.resolve();
  await assert.rejects(first, /no/);
  await second;
  assert.deepEqual(order, ["beside", "first", "second"]);
});

test("a shared turn serves all who asked before it began, and no other", async () => {
  const begun: PromiseWithResolvers<void>[] = [];
  const share = shareTurns(() => {
    const turn = Promise.withResolvers<void>();
    begun.push(turn);
    return turn.promise;
  });
  const [one, two] = [share(), share()];
  await Promise.resolve();
  assert.equal(begun.length, 1);
  const [late, later] = [share(), share()];
  begun[0]?.reject(new Error("no disk"));
  await assert.rejects(one, /no disk/);
  await assert.rejects(two, /no disk/);
  await Promise.resolve();
  assert.equal(begun.length, 2);
  begun[1]?.resolve();
  await Promise.all([late, later]);
});
