import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as zlib from "node:zlib";
import fc from "fast-check";
import { gzipStream } from "./gzip.ts";
import { zstdStream } from "./zstd.ts";

async function* streamOf(bytes: Uint8Array, cuts: readonly number[], onReturn?: () => void) {
  try {
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const step = cuts[i % cuts.length] ?? bytes.length;
      yield bytes.subarray(at, at + step);
      at += step;
    }
  } finally {
    onReturn?.();
  }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const content = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 3000 })), {
    maxLength: 5,
  })
  .map((parts) =>
    Buffer.concat(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes))),
  );
const cuts = fc.array(fc.integer({ min: 1, max: 700_000 }), { maxLength: 4 });

const FORMATS = [
  { name: "gzipStream", compress: gzipStream, inflate: zlib.gunzipSync, skip: false },
  {
    name: "zstdStream",
    compress: zstdStream,
    inflate: zlib.zstdDecompressSync,
    skip: zlib.createZstdCompress === undefined ? "this Node has no zstd" : false,
  },
] as const;

for (const { name, compress, inflate, skip } of FORMATS)
  describe(name, { skip }, () => {
    test("gives the same bytes for the same content, however it comes, and they inflate to it", async () => {
      await fc.assert(
        fc.asyncProperty(content, cuts, cuts, async (bytes, some, others) => {
          const one = await collect(compress(streamOf(bytes, some)));
          const other = await collect(compress(streamOf(bytes, others)));
          assert(one.equals(other));
          assert(inflate(one).equals(bytes));
        }),
        { numRuns: 15 },
      );
    });

    test("left early, it returns its source", async () => {
      let isReturned = false;
      const source = streamOf(Buffer.alloc(20_000_000, "abcdefg"), [100_000], () => {
        isReturned = true;
      });
      let chunks = 0;
      for await (const _ of compress(source)) if (++chunks === 2) break;
      assert(isReturned);
    });

    test("a source that fails fails the stream", async () => {
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield Buffer.alloc(1_500_000);
        throw new Error("no more");
      }
      await assert.rejects(collect(compress(failing())), /no more/);
    });
  });

describe("gzipStream", () => {
  test("blocks know the end of the one before", async () => {
    const noise = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7919 * (i % 13)) % 256));
    const bytes = Buffer.concat(Array.from({ length: 100 }, () => noise));
    const packed = await collect(gzipStream(streamOf(bytes, [])));
    assert(packed.length < 1.1 * zlib.gzipSync(bytes, { level: 6 }).length);
  });
});
