import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import { decodeJsonLines, encodeJsonLine } from "./json-lines.ts";

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(chunks: AsyncIterable<Uint8Array>, maxLineBytes?: number): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of decodeJsonLines(chunks, maxLineBytes === undefined ? {} : { maxLineBytes }))
    values.push(value);
  return values;
}

describe("JSON lines", () => {
  test("what is encoded is decoded, wherever the stream is cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue()), fc.integer({ min: 1, max: 9 }), async (values, size) => {
        const bytes = Buffer.from(values.map(encodeJsonLine).join(""));
        const wanted: unknown = JSON.parse(JSON.stringify(values));
        assert.deepEqual(await collect(inPieces(bytes, size)), wanted);
      }),
      { numRuns: 60 },
    );
  });

  test("a last line without an end counts, blank lines and record separators do not", async () => {
    const bytes = Buffer.from('\r\n{"a":1}\n\n\x1e{"b":2}\n3');
    assert.deepEqual(await collect(inPieces(bytes, 4)), [{ a: 1 }, { b: 2 }, 3]);
  });

  test("a line that is no JSON, and one without end, are errors", async () => {
    const isCorrupt = (error: unknown) => isPlyError(error, "corrupt");
    await assert.rejects(collect(inPieces(Buffer.from("<html>\n"), 3)), isCorrupt);
    await assert.rejects(collect(inPieces(Buffer.from("1".repeat(100)), 10), 50), isCorrupt);
  });
});
