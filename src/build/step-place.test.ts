import assert from "node:assert/strict";
import { test } from "node:test";
import { writtenPlace } from "./step-place.ts";

test("a step keeps its place when the triggers of its image become known", () => {
  const from = writtenPlace({ place: { number: 1, total: 3 } });
  const others = [2, 3, 4, 5].map((number) => writtenPlace({ place: { number, total: 5 }, triggers: 2 }));
  assert.deepEqual(
    [from, ...others].map(({ number, total, trigger }) => [number, total, trigger]),
    [
      [1, 3, 0],
      [1, 3, 1],
      [1, 3, 2],
      [2, 3, 0],
      [3, 3, 0],
    ],
  );
});
