import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import { decodeFrames, encodeFrame, encodeFrameHeader } from "./stream-frame.ts";

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function decode(bytes: Uint8Array, size: number): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for await (const frame of decodeFrames(inPieces(bytes, size)))
    texts[frame.stream] = (texts[frame.stream] ?? "") + Buffer.from(frame.bytes).toString("latin1");
  return texts;
}

describe("multiplexed streams", () => {
  test("the header is stream, three zeros and a big-endian length", () => {
    assert.deepEqual([...encodeFrameHeader("stderr", 0x01020304)], [2, 0, 0, 0, 1, 2, 3, 4]);
  });

  test("each stream comes out as it went in, wherever the bytes are cut", async () => {
    const frame = fc.record({
      stream: fc.constantFrom("stdout" as const, "stderr" as const),
      bytes: fc.uint8Array({ maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(frame), fc.integer({ min: 1, max: 13 }), async (frames, size) => {
        const wanted: Record<string, string> = {};
        for (const { stream, bytes } of frames)
          if (bytes.length > 0)
            wanted[stream] = (wanted[stream] ?? "") + Buffer.from(bytes).toString("latin1");
        assert.deepEqual(await decode(Buffer.concat(frames.map(encodeFrame)), size), wanted);
      }),
      { numRuns: 60 },
    );
  });

  test("an unknown stream, an absurd length and an early end are errors", async () => {
    const isCorrupt = (error: unknown) => isPlyError(error, "corrupt");
    await assert.rejects(decode(Uint8Array.from([9, 0, 0, 0, 0, 0, 0, 1, 65]), 9), isCorrupt);
    await assert.rejects(decode(Uint8Array.from([1, 0, 0, 0, 255, 0, 0, 0]), 8), isCorrupt);
    await assert.rejects(
      decode(encodeFrame({ stream: "stdout", bytes: Buffer.from("abc") }).subarray(0, 9), 9),
      isCorrupt,
    );
  });
});
