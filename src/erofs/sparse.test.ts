import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import { planChunks } from "./sparse.ts";

const BLOCK_BITS = 9;

/** Sizes, and runs of data with gaps between them; sometimes on the block grid. */
const sparseFile = fc
  .record({
    unit: fc.constantFrom(1, 512, 4096),
    steps: fc.array(fc.tuple(fc.nat({ max: 9 }), fc.integer({ min: 1, max: 9 })), { maxLength: 8 }),
    end: fc.nat({ max: 3000 }),
  })
  .map(({ unit, steps, end }) => {
    let at = 0;
    const extents = steps.map(([gap, length]) => {
      const extent = { offset: at + gap * unit, length: length * unit };
      at = extent.offset + extent.length;
      return extent;
    });
    return { size: at + end + 1, extents };
  });

describe("chunks of sparse files", () => {
  test("give back exactly the file's bytes", () => {
    fc.assert(
      fc.property(sparseFile, ({ size, extents }) => {
        const stored = extents.reduce((sum, { length }) => sum + length, 0);
        // What lies behind the data in the device must never show: it is not zero here.
        const device = new Uint8Array(1024 + stored + 8192).fill(0xee);
        const expected = new Uint8Array(size);
        let from = 1024;
        for (const { offset, length } of extents)
          for (let n = 0; n < length; n++) {
            const byte = 1 + ((offset + n) % 200);
            device[from++] = byte;
            expected[offset + n] = byte;
          }
        const { bits, chunks } = planChunks(size, { device: 0, offset: 1024, extents }, BLOCK_BITS);
        const chunkLength = 2 ** bits;
        assert.equal(chunks.length, Math.ceil(size / chunkLength));
        const actual = new Uint8Array(size);
        for (const [n, chunk] of chunks.entries()) {
          const start = n * chunkLength;
          const length = Math.min(chunkLength, size - start);
          if (chunk.kind === "device") {
            assert.equal(chunk.offset % 512, 0);
            actual.set(device.subarray(chunk.offset, chunk.offset + length), start);
          } else if (chunk.kind === "copy") {
            assert.equal(chunk.length, length);
            for (const piece of chunk.pieces)
              actual.set(device.subarray(piece.offset, piece.offset + piece.length), start + piece.at);
          }
        }
        assert.deepEqual(actual, expected);
      }),
      { numRuns: 300 },
    );
  });

  test("aligned runs are never copied, and the chunks are as large as that allows", () => {
    const extents = [
      { offset: 65_536, length: 65_536 },
      { offset: 262_144, length: 131_072 },
    ];
    const { bits, chunks } = planChunks(1 << 20, { device: 0, offset: 512, extents }, BLOCK_BITS);
    assert.equal(bits, 16);
    assert.deepEqual(
      chunks.map((chunk) => chunk.kind === "device" && chunk.offset),
      [false, 512, false, false, 512 + 65_536, 512 + 131_072, ...Array(10).fill(false)],
    );
  });

  test("a piece at the end of 5 GiB costs little", () => {
    const size = 5 * 2 ** 30;
    const extents = [{ offset: size - 4096, length: 4096 }];
    const { chunks } = planChunks(size, { device: 0, offset: 512, extents }, BLOCK_BITS);
    const copied = chunks.reduce((sum, chunk) => sum + (chunk.kind === "copy" ? chunk.length : 0), 0);
    assert.ok(chunks.length * 4 + copied < 512 * 1024);
  });

  test("a map that would need too much is refused", () => {
    const size = Number.MAX_SAFE_INTEGER;
    const extents = [{ offset: size - 4097, length: 4096 }];
    assert.throws(
      () => planChunks(size, { device: 0, offset: 0, extents }, BLOCK_BITS),
      (error) => isPlyError(error, "limit"),
    );
  });
});
