import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { fakeStdio } from "../testing/fake-stdio.ts";
import { createScreen } from "../testing/screen.ts";
import { createDisplay } from "./display.ts";
import { formatBar, formatFrame, formatLayer, formatTotal } from "./frame.ts";
import { createPainter } from "./painter.ts";
import { createTransfer } from "./transfer.ts";

const MB = 1_000_000;

describe("layer lines", () => {
  const layer = { id: "3f4ca61aafcd", rate: 0 };
  for (const [state, columns, line] of [
    [{ ...layer, status: "Waiting" }, 80, "3f4ca61aafcd  Waiting"],
    [{ ...layer, status: "Already exists" }, 80, "3f4ca61aafcd  Already exists"],
    [{ ...layer, status: "Ready", total: 50 * MB }, 80, "3f4ca61aafcd  Ready           50MB"],
    [
      { ...layer, status: "Mounted", detail: "from library/x" },
      80,
      "3f4ca61aafcd  Mounted         from library/x",
    ],
    [
      { ...layer, status: "Downloading", current: 12.3 * MB, total: 50 * MB, rate: 8.1 * MB },
      80,
      "3f4ca61aafcd  Downloading     [======>                   ]  12.3MB/50MB  8.1MB/s",
    ],
    [{ ...layer, status: "Downloading", current: 12.3 * MB }, 80, "3f4ca61aafcd  Downloading     12.3MB"],
    [
      { ...layer, status: "Downloading", current: 12.3 * MB, total: 50 * MB },
      40,
      "3f4ca61aafcd  Downloading     12.3MB/50…",
    ],
    [{ ...layer, id: "evil\x1b[2Jid", status: "Waiting" }, 80, "evil\\x1b[2Jid  Waiting"],
  ] as const)
    test(`${state.status} at ${columns} columns`, () => assert.equal(formatLayer(state, columns), line));

  test("a bar fills from empty to full and is left out where there is no room", () => {
    assert.equal(formatBar(0, 14), "[>           ]");
    assert.equal(formatBar(0.5, 14), "[======>     ]");
    assert.equal(formatBar(1, 14), "[============]");
    assert.equal(formatBar(0.5, 8), "");
  });

  test("no line of a frame is wider than the terminal, and no frame higher", () => {
    const status = fc.constantFrom(
      "Waiting",
      "Downloading",
      "Verifying",
      "Ready",
      "Already exists",
      "Pushing",
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(status, fc.nat(1e12), fc.nat(1e12)), { maxLength: 60 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 5 }),
        (layers, columns, rows, transfers) => {
          const all = Array.from({ length: transfers }, (_, n) => {
            const transfer = createTransfer(`image${n}:latest`);
            layers.forEach(([state, current, total], i) => {
              transfer.update(
                { kind: "layer", id: String(i).padStart(12, "0"), status: state, current, total },
                0,
              );
            });
            return transfer;
          });
          const frame = formatFrame(all, { columns, rows });
          assert.ok(frame.length <= Math.max(1, rows - 1));
          for (const line of frame) assert.ok(Bun.stringWidth(line) <= columns, JSON.stringify(line));
        },
      ),
    );
  });
});

describe("the whole transfer", () => {
  test("has one line with bytes, rate, time left and layers", () => {
    const transfer = createTransfer("debian:12");
    assert.equal(formatTotal(transfer, 100), "debian:12: …");
    transfer.update(
      {
        kind: "total",
        bytesDone: 46.5 * MB,
        bytesTotal: 93 * MB,
        layersDone: 3,
        layersTotal: 7,
        bytesPerSecond: 45.2 * MB,
        secondsLeft: 1.03,
      },
      0,
    );
    assert.equal(
      formatTotal(transfer, 100),
      "debian:12: 46.5MB of 93MB  [====================>                   ]  45.2MB/s  1s left  3/7 layers",
    );
  });

  test("a rate settles over time and starts anew when a download starts anew", () => {
    const transfer = createTransfer("x");
    const at = (ms: number, current: number): number => {
      transfer.update({ kind: "layer", id: "a", status: "Downloading", current, total: 100 * MB }, ms);
      return transfer.layers.get("a")?.rate ?? -1;
    };
    assert.equal(at(0, 0), 0);
    assert.equal(at(100, 1 * MB), 0);
    assert.equal(at(500, 5 * MB), 10 * MB);
    assert.equal(at(1000, 15 * MB), 14 * MB);
    assert.equal(at(1100, 0), 0);
    transfer.update({ kind: "layer", id: "b", status: "Preparing", current: 90 * MB, total: 90 * MB }, 2000);
    transfer.update({ kind: "layer", id: "b", status: "Pushing", current: 95 * MB, total: 100 * MB }, 2500);
    assert.equal(transfer.layers.get("b")?.rate, 0);
  });

  test("layers that do not fit are counted, those at work come first", () => {
    const transfer = createTransfer("x");
    for (let i = 0; i < 10; i++)
      transfer.update(
        { kind: "layer", id: `layer${i}`, status: i < 4 ? "Ready" : i < 6 ? "Downloading" : "Waiting" },
        0,
      );
    const frame = formatFrame([transfer], { columns: 80, rows: 6 });
    assert.deepEqual(frame, [
      "x: …",
      "layer4        Downloading",
      "layer5        Downloading",
      "layer6        Waiting",
      "  and 7 more: 3 waiting, 4 done",
    ]);
  });
});

describe("the painter", () => {
  test("paints over its lines and keeps what is above", () => {
    const screen = createScreen(40);
    screen.write("before\n");
    const painter = createPainter(
      (text) => screen.write(text),
      () => 40,
    );
    painter.paint(["one", "two"]);
    painter.paint(["one!", "two", "three"]);
    assert.deepEqual(screen.lines(), ["before", "one!", "two", "three"]);
    painter.printAbove(["lasting"]);
    assert.deepEqual(screen.lines(), ["before", "lasting", "one!", "two", "three"]);
    painter.paint(["1"]);
    assert.deepEqual(screen.lines(), ["before", "lasting", "1"]);
    painter.paint([]);
    painter.finish();
    screen.write("after\n");
    assert.deepEqual(screen.lines(), ["before", "lasting", "after"]);
  });

  test("an unchanged frame writes nothing, a changed line only itself", () => {
    const written: string[] = [];
    const painter = createPainter(
      (text) => void written.push(text),
      () => 40,
    );
    painter.paint(["same", "old"]);
    painter.paint(["same", "old"]);
    assert.equal(written.length, 1);
    painter.paint(["same", "new"]);
    assert.ok(!written[1]?.includes("same"));
    assert.ok(written[1]?.includes("new"));
  });

  test("any sequence of frames leaves the last one below what was printed", () => {
    const line = fc.string({ unit: fc.constantFrom("a", "b", " "), maxLength: 20 }).map((text) => `${text}.`);
    const step = fc.tuple(fc.boolean(), fc.array(line, { maxLength: 5 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const screen = createScreen(40);
        const painter = createPainter(
          (text) => screen.write(text),
          () => 40,
        );
        const lasting: string[] = [];
        let live: readonly string[] = [];
        for (const [above, lines] of steps)
          if (above) {
            painter.printAbove(lines);
            lasting.push(...lines);
          } else {
            painter.paint(lines);
            live = lines;
          }
        assert.deepEqual(screen.lines(), [...lasting, ...live]);
      }),
    );
  });

  test("a terminal made narrower is painted anew over the wrapped lines", () => {
    let columns = 40;
    let screen = createScreen(40);
    const painter = createPainter(
      (text) => screen.write(text),
      () => columns,
    );
    painter.paint(["x".repeat(35), "y".repeat(10)]);
    // What a terminal does when it is resized: it wraps what it shows.
    columns = 20;
    screen = createScreen(20);
    screen.write(`${"x".repeat(35)}\n${"y".repeat(10)}\n`);
    painter.paint(["short", "lines"]);
    assert.deepEqual(screen.lines(), ["short", "lines"]);
  });
});

describe("the display", () => {
  const layer = (
    id: string,
    status: "Waiting" | "Downloading" | "Verifying" | "Ready" | "Already exists",
    current?: number,
  ) =>
    ({ kind: "layer", id, status, ...(current === undefined ? {} : { current, total: 10 * MB }) }) as const;

  test("without a terminal there is one line per change that matters", () => {
    const stdio = fakeStdio();
    const display = createDisplay({ stdio, stream: "stdout" });
    display.update("x", { kind: "message", text: "Pulling from library/x", id: "latest" });
    for (const status of ["Waiting", "Downloading", "Downloading", "Verifying", "Ready"] as const)
      display.update("x", layer("aaa", status, 5 * MB));
    display.update("x", layer("bbb", "Already exists"));
    display.settle("x", ["Digest: d", "Status: s"]);
    display.close();
    assert.equal(
      stdio.stdout(),
      "latest: Pulling from library/x\naaa: Downloading 10MB\naaa: Ready\nbbb: Already exists\nDigest: d\nStatus: s\n",
    );
  });

  test("on a terminal the layers stay above the result, and resizing is followed", () => {
    const stdio = fakeStdio({ terminals: ["stderr"], size: { columns: 60, rows: 20 } });
    const display = createDisplay({ stdio, stream: "stderr" });
    display.update("x", layer("aaa", "Ready", 10 * MB));
    display.update("x", layer("bbb", "Already exists"));
    assert.deepEqual(stdio.listenedTo(), ["SIGWINCH"]);
    stdio.signal("SIGWINCH");
    display.settle("x", ["Digest: d"]);
    display.close();
    assert.deepEqual(stdio.listenedTo(), []);
    const screen = createScreen(60);
    screen.write(stdio.stderr());
    assert.deepEqual(screen.lines(), [
      "aaa           Ready           10MB",
      "bbb           Already exists",
      "Digest: d",
    ]);
  });

  test("several transfers have a block each; one that settles leaves the others live", () => {
    const stdio = fakeStdio({ terminals: ["stdout"], size: { columns: 60, rows: 20 } });
    const display = createDisplay({ stdio, stream: "stdout" });
    display.update("a:1", layer("aaa", "Ready"));
    display.update("b:2", layer("bbb", "Waiting"));
    display.settle("a:1", ["a is done"]);
    display.close();
    const screen = createScreen(60);
    screen.write(stdio.stdout());
    assert.deepEqual(screen.lines(), ["aaa           Ready", "a is done", "b:2: …", "bbb           Waiting"]);
  });
});
