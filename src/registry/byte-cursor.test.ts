import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import { createByteCursor } from "./byte-cursor.ts";

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < bytes.byteLength; i++) {
    const end = at + (sizes[i % sizes.length] ?? 1);
    yield bytes.subarray(at, end);
    at = Math.min(end, bytes.byteLength);
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<number[]> {
  const all: number[] = [];
  for await (const chunk of chunks) all.push(...chunk);
  return all;
}

test("any ranges in any order are the bytes of the stream", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 100 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 }),
      fc.array(fc.tuple(fc.nat(100), fc.nat(100)), { maxLength: 8 }),
      async (bytes, sizes, ranges) => {
        const cursor = createByteCursor(() => inPieces(bytes, sizes));
        for (const [from, length] of ranges) {
          const start = Math.min(from, bytes.byteLength);
          const end = Math.min(start + length, bytes.byteLength);
          assert.deepEqual(await collect(cursor.read(start, end - start)), [...bytes.subarray(start, end)]);
        }
        await cursor.close();
      },
    ),
  );
});

test("ranges that follow on open the stream once", async () => {
  let opened = 0;
  let closed = 0;
  const cursor = createByteCursor(async function* () {
    opened++;
    try {
      yield new Uint8Array([1, 2, 3, 4, 5, 6]);
    } finally {
      closed++;
    }
  });
  assert.deepEqual(await collect(cursor.read(0, 2)), [1, 2]);
  assert.deepEqual(await collect(cursor.read(2, 2)), [3, 4]);
  assert.equal(opened, 1);
  assert.deepEqual(await collect(cursor.read(1, 2)), [2, 3]);
  await cursor.close();
  assert.deepEqual([opened, closed], [2, 2]);
});

test("a stream that ends too early is corrupt", async () => {
  const cursor = createByteCursor(() => inPieces(new Uint8Array(3), [2]));
  await assert.rejects(collect(cursor.read(0, 4)), (error) => isPlyError(error, "corrupt"));
});
