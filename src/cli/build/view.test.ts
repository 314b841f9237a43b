import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { PlyBuildMessage, PlyBuildStep } from "../../wire/index.ts";
import { widthOf } from "../output/width.ts";
import type { Stdio } from "../terminal/index.ts";
import { failureReport } from "./failure-report.ts";
import { frame } from "./frame.ts";
import { paintOf } from "./paint.ts";
import { type ProgressMode, progressMode } from "./progress-mode.ts";
import { createSteps, type Steps } from "./step-state.ts";
import { createBuildView } from "./view.ts";

const step = (number: number, text: string, stageName?: string): PlyBuildStep => ({
  number,
  total: 6,
  stage: 0,
  ...(stageName === undefined ? {} : { stageName }),
  place: { number, total: 6 },
  text,
  line: number,
});
const began = (number: number, text: string, stage?: string): PlyBuildMessage => ({
  type: "step",
  step: step(number, text, stage),
  state: "running",
});
const ended = (number: number, text: string, state: "done" | "cached" = "done"): PlyBuildMessage => ({
  type: "step",
  step: step(number, text),
  state,
  ms: 1234,
});
const printed = (number: number, text: string): PlyBuildMessage => ({
  type: "output",
  number,
  stream: "stdout",
  text,
});

/** A view and what it writes. */
function viewOf(mode: ProgressMode, isTerminal = false) {
  let said = "";
  let now = 0;
  const stdio = {
    err: (text: string) => {
      said += text;
    },
    isTerminal: () => isTerminal,
    size: () => ({ columns: 60, rows: 20 }),
  } as unknown as Stdio;
  const view = createBuildView({ stdio, mode, env: { NO_COLOR: "1" }, clock: () => now });
  return {
    view,
    said: () => said,
    later(ms: number) {
      now += ms;
    },
  };
}

describe("the log of a build", () => {
  test("a step's title, its lines with their times, how it ended", () => {
    const { view, said, later } = viewOf("plain");
    view.show(began(1, "FROM x"));
    view.show(ended(1, "FROM x", "cached"));
    view.show(began(2, "RUN  make\tall"));
    later(1500);
    view.show(printed(2, "\x1b[32mone\x1b[0m\n10%\r99%"));
    view.show(printed(2, "\r100%\nrest"));
    view.show(ended(2, "RUN make"));
    view.close();
    assert.equal(
      said(),
      "#1 [1/6] FROM x\n#1 CACHED\n\n#2 [2/6] RUN make all\n#2 1.500 one\n#2 1.500 100%\n#2 1.500 rest\n#2 DONE 1.2s\n",
    );
  });

  test("steps side by side take turns; one that takes up again says its title", () => {
    const { view, said, later } = viewOf("plain");
    view.show(began(1, "RUN a", "a"));
    view.show(printed(1, "a1\n"));
    view.show(began(2, "RUN b", "b"));
    view.show(printed(2, "b1\n"));
    view.show(printed(1, "a2\n"));
    assert.doesNotMatch(said(), /b1/);
    later(400);
    view.show(printed(2, "b2\n"));
    view.show(printed(1, "a3\n"));
    view.show(ended(2, "RUN b"));
    view.close();
    assert.equal(
      said(),
      [
        "#1 [a 1/6] RUN a",
        "#1 0.000 a1",
        "#1 0.000 a2",
        "",
        "#2 [b 2/6] RUN b",
        "#2 0.000 b1",
        "#2 0.400 b2",
        "#2 DONE 1.2s",
        "",
        "#1 [a 1/6] RUN a",
        "#1 0.400 a3",
        "#1 CANCELED",
        "",
      ].join("\n"),
    );
  });

  test("warnings stand at the end, those of checks counted", () => {
    const { view, said } = viewOf("plain");
    view.show({ type: "warning", message: "unused" });
    view.show({ type: "warning", message: "m", rule: "R", description: "d", line: 3, endLine: 3 });
    view.show(began(1, "FROM x"));
    view.show(ended(1, "FROM x"));
    view.close();
    view.close();
    assert.equal(
      said(),
      "#1 [1/6] FROM x\n#1 DONE 1.2s\nWARNING: unused\n\n 1 warning found (ply build --check shows where):\n - R: m (line 3)\n",
    );
  });

  test("the first step that failed is the one that counts; its output is kept", () => {
    const { view } = viewOf("quiet");
    view.show(began(1, "RUN a"));
    view.show(began(2, "RUN b"));
    view.show(printed(2, "why\n"));
    view.show({ type: "step", step: step(2, "RUN b"), state: "failed", message: "no" });
    view.show({ type: "step", step: step(1, "RUN a"), state: "cancelled" });
    view.close();
    assert.equal(view.failed?.number, 2);
    assert.equal(view.outputOf(step(2, "RUN b")), "why\n");
  });

  test("a report repeats the end of what the log has, and on a screen all of it", () => {
    const much = Array.from({ length: 25 }, (_, n) => `line ${n}\n`).join("");
    const report = (mode: ProgressMode, output: string) => {
      const { view } = viewOf(mode);
      view.show(began(1, "RUN a"));
      view.show(printed(1, output));
      view.close();
      const [failed, dockerfile] = [step(1, "RUN a"), { name: "D", text: "RUN a\n" }];
      return failureReport({ step: failed, output: view.outputOf(failed), dockerfile, line: 1, endLine: 1 });
    };
    const logged = report("plain", much);
    assert.deepEqual(logged.slice(0, 4), ["------", " > [1/6] RUN a:", "… 5 lines above", "line 5"]);
    assert.deepEqual(logged.slice(-5), ["------", "D:1", "-".repeat(20), "   1 | >>> RUN a", "-".repeat(20)]);
    assert.equal(report("tty", much).length, 25 + 7);
    assert.equal(report("plain", "\x1b[31mred\x1b[0m 1%\r99%\n")[2], "99% 1%");
    assert.deepEqual(report("plain", ""), ["D:1", "-".repeat(20), "   1 | >>> RUN a", "-".repeat(20)]);
  });

  test("how to show it: the flag, ply's variable, docker's", () => {
    assert.equal(progressMode("auto", {}), "auto");
    assert.equal(progressMode("tty", { PLY_PROGRESS: "plain" }), "tty");
    assert.equal(progressMode("auto", { BUILDKIT_PROGRESS: "plain" }), "plain");
    assert.equal(progressMode("auto", { PLY_PROGRESS: "quiet", BUILDKIT_PROGRESS: "plain" }), "quiet");
    assert.throws(
      () => progressMode("auto", { BUILDKIT_PROGRESS: "loud" }),
      /BUILDKIT_PROGRESS=loud is none of/,
    );
  });
});

describe("the live frame of a build", () => {
  const paint = paintOf({ NO_COLOR: "1" });
  const many = (): Steps => {
    const steps = createSteps(() => 0);
    steps.take(began(1, "FROM x"));
    steps.take(ended(1, "FROM x"));
    steps.take(began(2, "COPY 漢字 /世界"));
    steps.take(ended(2, "COPY 漢字 /世界", "cached"));
    steps.take(began(3, "RUN first", "first"));
    steps.take(printed(3, Array.from({ length: 9 }, (_, n) => `first says ${n}\n`).join("")));
    steps.take(began(4, "RUN second", "second"));
    steps.take(printed(4, "second says 世界世界世界世界世界世界世界\n"));
    return steps;
  };
  const size = { now: 2000, began: 0, isOver: false, paint };

  test("steps, what they say and how long they take", () => {
    assert.deepEqual(frame(many().all(), { ...size, columns: 40, rows: 30 }), [
      "[+] Building 2.0s (2/6)",
      " => [1/6] FROM x                    1.2s",
      " => CACHED [2/6] COPY 漢字 /世界    1.2s",
      " => [first 3/6] RUN first           2.0s",
      ...[3, 4, 5, 6, 7, 8].map((n) => ` => => # first says ${n}`),
      " => [second 4/6] RUN second         2.0s",
      " => => # second says 世界世界世界世界世…",
    ]);
  });

  test("a short terminal: what runs stays and says less, then the last of the others", () => {
    assert.deepEqual(frame(many().all(), { ...size, columns: 40, rows: 5 }), [
      "[+] Building 2.0s (2/6)",
      " => [first 3/6] RUN first           2.0s",
      " => => # first says 8",
      " => [second 4/6] RUN second         2.0s",
      " => => # second says 世界世界世界世界世…",
    ]);
    assert.equal(frame(many().all(), { ...size, columns: 40, rows: 3 }).length, 3);
    assert.equal(frame(many().all(), { ...size, columns: 40, rows: 1 }).length, 1);
  });

  test("no line is wider than the terminal", () => {
    for (const columns of [1, 2, 5, 10, 23, 31, 80])
      for (const line of frame(many().all(), { ...size, columns, rows: 30 }))
        assert(widthOf(line) <= columns, `${columns}: ${line}`);
  });

  test("pulls, and steps that ended otherwise", () => {
    const steps = many();
    steps.take({
      type: "pull",
      number: 3,
      progress: {
        kind: "total",
        bytesDone: 1e6,
        bytesTotal: 4e6,
        layersDone: 1,
        layersTotal: 3,
        bytesPerSecond: 2e6,
      },
    });
    assert(
      frame(steps.all(), { ...size, columns: 60, rows: 30 }).includes(
        " => => # 1MB of 4MB  2MB/s  1/3 layers",
      ),
    );
    steps.take({ type: "step", step: step(3, "RUN first"), state: "failed", message: "no" });
    steps.take({ type: "step", step: step(4, "RUN second"), state: "cancelled" });
    const last = frame(steps.all(), { ...size, columns: 60, rows: Number.POSITIVE_INFINITY, isOver: true });
    assert.equal(last[0], "[+] Building 2.0s (2/6) STOPPED");
    assert.match(last[3] ?? "", /^ => ERROR \[first 3\/6\] RUN first /);
    assert.match(last[4] ?? "", /^ => CANCELED \[second 4\/6\] RUN second /);
    assert.equal(last.length, 5);
  });

  test("colours only where they are wanted", () => {
    assert.equal(paintOf({ TERM: "xterm" }).bad("x"), "\x1b[31mx\x1b[0m");
    assert.equal(paintOf({ NO_COLOR: "" }).bad("x"), "\x1b[31mx\x1b[0m");
    assert.equal(paintOf({ NO_COLOR: "1" }).bad("x"), "x");
    assert.equal(paintOf({ TERM: "dumb" }).bad("x"), "x");
  });
});
