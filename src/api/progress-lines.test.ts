import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DockerProgressLine } from "../wire/index.ts";
import { progressLines } from "./progress-lines.ts";

function recorder(options: { isBehind?: () => boolean } = {}) {
  const lines: DockerProgressLine[] = [];
  const time = { now: 0 };
  const tell = progressLines({
    send: (line) => lines.push(line),
    isBehind: options.isBehind ?? (() => false),
    clock: () => time.now,
  });
  return { lines, time, tell, statuses: () => lines.map((line) => line.status) };
}

describe("Docker's progress lines", () => {
  test("one layer from first to last", () => {
    const { tell, time, statuses, lines } = recorder();
    tell({ kind: "layer", id: "aa", status: "Waiting" });
    tell({ kind: "layer", id: "aa", status: "Downloading", current: 500, total: 1000 });
    time.now = 200;
    tell({ kind: "layer", id: "aa", status: "Downloading", current: 1000, total: 1000 });
    tell({ kind: "layer", id: "aa", status: "Verifying" });
    tell({ kind: "layer", id: "aa", status: "Ready" });
    assert.deepEqual(statuses(), [
      "Pulling fs layer",
      "Downloading",
      "Downloading",
      "Verifying Checksum",
      "Download complete",
      "Pull complete",
    ]);
    assert.deepEqual(lines[1], {
      status: "Downloading",
      progressDetail: { current: 500, total: 1000 },
      progress: `[${`${"=".repeat(25)}>`.padEnd(50)}]     500B/1kB`,
      id: "aa",
    });
  });

  test("a layer that is first heard of in the middle gets its opening line", () => {
    const { tell, statuses } = recorder();
    tell({ kind: "layer", id: "aa", status: "Downloading", current: 1, total: 2 });
    tell({ kind: "layer", id: "bb", status: "Already exists" });
    assert.deepEqual(statuses(), ["Pulling fs layer", "Downloading", "Already exists"]);
  });

  test("lines that only move a bar come at most ten times a second, the last one always", () => {
    const { tell, time, lines } = recorder();
    for (let current = 0; current < 1000; current += 1) {
      time.now = current;
      tell({ kind: "layer", id: "aa", status: "Loading", current, total: 1000 });
    }
    tell({ kind: "layer", id: "aa", status: "Loading", current: 1000, total: 1000 });
    assert.equal(lines.length, 11);
    assert.equal(lines.at(-1)?.progressDetail?.current, 1000);
  });

  test("a loaded layer ends with a full bar: nothing was pulled", () => {
    const { tell, lines } = recorder();
    tell({ kind: "layer", id: "aa", status: "Loading", current: 10, total: 1000 });
    tell({ kind: "layer", id: "aa", status: "Ready" });
    assert.deepEqual(
      lines.map(({ status, progressDetail }) => [status, progressDetail?.current]),
      [
        ["Loading layer", 10],
        ["Loading layer", 1000],
      ],
    );
  });

  test("a reader that lags misses bars, but no step", () => {
    const { tell, time, statuses } = recorder({ isBehind: () => true });
    for (const current of [1, 2, 3]) {
      time.now += 1000;
      tell({ kind: "layer", id: "aa", status: "Pushing", current, total: 10 });
    }
    tell({ kind: "layer", id: "aa", status: "Pushed" });
    assert.deepEqual(statuses(), ["Pushing", "Pushed"]);
  });

  test("mounts say from where, totals say nothing", () => {
    const { tell, lines } = recorder();
    tell({ kind: "layer", id: "aa", status: "Mounted", detail: "from library/x" });
    tell({
      kind: "total",
      bytesDone: 1,
      bytesTotal: 2,
      layersDone: 0,
      layersTotal: 1,
      bytesPerSecond: 0,
      secondsLeft: undefined,
    });
    assert.deepEqual(lines, [{ status: "Mounted from library/x", progressDetail: {}, id: "aa" }]);
  });
});
