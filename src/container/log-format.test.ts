import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createLogDecoder, type DecoderOptions, type LogChunk, timeKey } from "./log-format.ts";
import { tailStart } from "./log-tail.ts";

interface Record {
  readonly stream: "stdout" | "stderr";
  readonly isFull: boolean;
  readonly content: Uint8Array;
}

const START = 1_700_000_000_000_000_000n;
const STEP = 1_234_567n;
const timeOf = (index: number) => START + STEP * BigInt(index);

/** As conmon writes them, one after the other. */
function written(records: readonly Record[]): Buffer {
  return Buffer.concat(
    records.flatMap(({ stream, isFull, content }, index) => [
      Buffer.from(`${timeKey(timeOf(index))}+00:00 ${stream} ${isFull ? "F" : "P"} `),
      content,
      Buffer.from("\n"),
    ]),
  );
}

const record = fc.record({
  stream: fc.constantFrom("stdout" as const, "stderr" as const),
  isFull: fc.boolean(),
  content: fc.uint8Array({ maxLength: 80 }).map((bytes) => bytes.filter((byte) => byte !== 0x0a)),
});
const records = fc.array(record, { maxLength: 30 });
const cuts = fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 60 });
const ALL: DecoderOptions = { stdout: true, stderr: true, timestamps: false, prefix: "" };

/** What the decoder makes of the log cut into pieces of these sizes, by stream. */
function decoded(log: Buffer, sizes: readonly number[], options: DecoderOptions, perLine = false) {
  const decoder = createLogDecoder(options);
  const chunks: LogChunk[] = [];
  let at = 0;
  for (const size of [...sizes, log.length]) {
    // A block of its own each time: the decoder works in it.
    const made = decoder.push(Buffer.from(log.subarray(at, at + size)), perLine);
    chunks.push(...made.map(({ stream, bytes }) => ({ stream, bytes: Buffer.from(bytes) })));
    at += size;
    if (at >= log.length) break;
  }
  const of = (stream: string) =>
    Buffer.concat(chunks.filter((chunk) => chunk.stream === stream).map(({ bytes }) => bytes)).toString(
      "latin1",
    );
  return { stdout: of("stdout"), stderr: of("stderr") };
}

/** The same, from the records. */
function expected(all: readonly Record[], options: { timestamps?: boolean; prefix?: string } = {}) {
  const out = { stdout: "", stderr: "" };
  const midLine = { stdout: false, stderr: false };
  for (const [index, { stream, isFull, content }] of all.entries()) {
    if (!midLine[stream])
      out[stream] += `${options.timestamps ? `${timeKey(timeOf(index))}Z ` : ""}${options.prefix ?? ""}`;
    out[stream] += Buffer.from(content).toString("latin1") + (isFull ? "\n" : "");
    midLine[stream] = !isFull;
  }
  return out;
}

describe("the log decoder", () => {
  test("gives back what was printed, wherever the blocks are cut", () => {
    fc.assert(
      fc.property(records, cuts, fc.boolean(), (all, sizes, perLine) => {
        assert.deepEqual(decoded(written(all), sizes, ALL, perLine), expected(all));
      }),
    );
  });

  test("puts times and details before lines, not before their parts", () => {
    fc.assert(
      fc.property(
        records,
        cuts,
        fc.constantFrom("", "a=b ", `${"label=value,".repeat(20)} `),
        (all, sizes, prefix) => {
          const options = { ...ALL, timestamps: true, prefix };
          assert.deepEqual(
            decoded(written(all), sizes, options),
            expected(all, { timestamps: true, prefix }),
          );
        },
      ),
    );
  });

  test("keeps to the streams and to the time that were asked for, both ends included", () => {
    fc.assert(
      fc.property(records, cuts, fc.nat(30), fc.nat(30), (all, sizes, from, to) => {
        const whole = all.map((each) => ({ ...each, isFull: true }));
        const options = { ...ALL, stderr: false, since: timeKey(timeOf(from)), until: timeKey(timeOf(to)) };
        const { stdout } = expected(whole.slice(from, to + 1));
        assert.deepEqual(decoded(written(whole), sizes, options), { stdout, stderr: "" });
      }),
    );
  });

  test("passes over what is no record", () => {
    const [first, second] = ["one", "two"].map((word) =>
      written([{ stream: "stdout", isFull: true, content: Buffer.from(word) }]),
    );
    const damaged = Buffer.concat([
      first ?? Buffer.alloc(0),
      Buffer.from("\nshort\n"),
      Buffer.from(`${"x".repeat(99)}\n`),
      second ?? Buffer.alloc(0),
    ]);
    fc.assert(
      fc.property(cuts, (sizes) => {
        assert.equal(decoded(damaged, sizes, ALL).stdout, "one\ntwo\n");
      }),
    );
  });

  test("each line is a chunk of its own when asked", () => {
    const all = ["a", "b"].map(
      (word): Record => ({ stream: "stdout", isFull: true, content: Buffer.from(word) }),
    );
    const lengths = (perLine: boolean) =>
      createLogDecoder(ALL)
        .push(written(all), perLine)
        .map(({ bytes }) => bytes.length);
    assert.deepEqual([lengths(true), lengths(false)], [[2, 2], [4]]);
  });
});

describe("the tail", () => {
  test("begins at the n-th last line, over several files", () => {
    const dir = mkdtempSync(join(tmpdir(), "ply-tail-"));
    try {
      fc.assert(
        fc.property(records, fc.nat(30), fc.nat(40), (given, split, lines) => {
          const all = given.map((each): Record => ({ ...each, stream: "stdout" }));
          const parts = [all.slice(0, split), all.slice(split)];
          const logs = [
            written(all).subarray(0, written(parts[0] ?? []).length),
            written(all).subarray(written(parts[0] ?? []).length),
          ];
          const files = logs.map((log, index) => {
            writeFileSync(join(dir, `${index}`), log);
            return { fd: openSync(join(dir, `${index}`), "r"), size: log.length };
          });
          try {
            const { file, offset } = tailStart(files, { lines, stdout: true, stderr: true });
            const rest = Buffer.concat(logs.slice(file)).subarray(offset);
            const printed = expected(all)
              .stdout.split(/(?<=\n)/)
              .filter((line) => line !== "");
            const open =
              all.at(-1)?.isFull === false && (all.at(-1)?.content.length ?? 0) === 0 && !midOpen(all);
            const want = printed.slice(Math.max(0, printed.length - (open ? Math.max(0, lines - 1) : lines)));
            assert.equal(decoded(rest, [], ALL).stdout, lines === 0 ? "" : want.join(""));
          } finally {
            for (const { fd } of files) closeSync(fd);
          }
        }),
        { numRuns: 60 },
      );
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

/** True when the last, unfinished line has content: an empty one counts as a line, and shows as nothing. */
function midOpen(all: readonly Record[]): boolean {
  let size = 0;
  for (const { isFull, content } of all) size = isFull ? 0 : size + content.length;
  return size > 0;
}
