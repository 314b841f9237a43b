import assert from "node:assert/strict";
import { test } from "node:test";
import type { ImageProgress } from "./images.ts";
import { openPullReport } from "./pull-progress.ts";

test("bytes kept from an earlier try count as done, but not for the rate", () => {
  let now = 0;
  const totals: Extract<ImageProgress, { kind: "total" }>[] = [];
  const report = openPullReport(
    (progress) => {
      if (progress.kind === "total") totals.push(progress);
    },
    () => now,
  );
  const layer = report.layer("a", 1000);
  layer.resumed(900);
  for (const [at, bytes] of [
    [0, 400],
    [500, 900],
    [1500, 950],
  ] as const) {
    now = at;
    layer.update({ phase: "downloading", bytes, total: 1000 });
  }
  assert.deepEqual(
    totals.map(({ bytesDone, bytesPerSecond }) => [bytesDone, bytesPerSecond]),
    [
      [400, 0],
      [900, 0],
      [950, Math.round(50 / 1.5)],
    ],
  );
});
