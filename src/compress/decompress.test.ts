import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as zlib from "node:zlib";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import { openIsal } from "../linux/index.ts";
import { createDecompressor } from "./create.ts";
import { decompress } from "./decompress-stream.ts";
import type { Decompressor } from "./decompressor.ts";
import type { Compression } from "./detect.ts";

const isal = openIsal();
const hasZstd = zlib.createZstdDecompress !== undefined;

interface Candidate {
  readonly name: string;
  readonly compression: Compression;
  readonly skip: string | false;
  create(): Decompressor;
  compress(bytes: Uint8Array): Uint8Array;
}

const CANDIDATES: readonly Candidate[] = [
  {
    name: "gzip by ISA-L",
    compression: "gzip",
    skip: isal === undefined ? "no Bun or no libisal.so.2" : false,
    create: () => createDecompressor("gzip", isal),
    compress: (bytes) => zlib.gzipSync(bytes),
  },
  {
    name: "gzip by zlib",
    compression: "gzip",
    skip: false,
    create: () => createDecompressor("gzip", undefined),
    compress: (bytes) => zlib.gzipSync(bytes),
  },
  {
    name: "zstd",
    compression: "zstd",
    skip: hasZstd ? false : "this Node has no zstd",
    create: () => createDecompressor("zstd", undefined),
    compress: (bytes) =>
      zlib.zstdCompressSync(bytes, { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } }),
  },
];

/** Inflates `input` in pieces, into spaces of odd sizes. */
async function inflate(candidate: Candidate, input: Uint8Array, pieces: readonly number[], spaces = [4096]) {
  const decompressor = candidate.create();
  const output: Buffer[] = [];
  let turn = 0;
  let space = new Uint8Array(0);
  const sink = {
    space: () => {
      space = new Uint8Array(spaces[turn++ % spaces.length] ?? 1);
      return space;
    },
    advance: (bytes: number) => {
      assert(bytes > 0 && bytes <= space.length);
      output.push(Buffer.from(space.subarray(0, bytes)));
    },
  };
  try {
    let at = 0;
    for (let i = 0; at < input.length; i++) {
      const step = pieces.length === 0 ? input.length : (pieces[i % pieces.length] ?? 1);
      const piece = Uint8Array.from(input.subarray(at, at + step));
      await decompressor.push(piece, sink);
      // It said that the input may be used again.
      piece.fill(0xaa);
      at += step;
    }
    await decompressor.end(sink);
  } finally {
    decompressor.close();
  }
  return Buffer.concat(output);
}

/** Text that compresses, noise that does not, and runs. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc.tuple(fc.nat(255), fc.nat(70_000)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
      fc.lorem({ maxCount: 200 }).map((text) => Buffer.from(text)),
    ),
    { maxLength: 6 },
  )
  .map((parts) => Buffer.concat(parts));

const pieces = fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 4 });
const spaces = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 4 }).map((list) => [
  // One that is not tiny, or large contents take for ever.
  ...list,
  50_000,
]);

for (const candidate of CANDIDATES)
  describe(candidate.name, { skip: candidate.skip }, () => {
    test("gives back what was compressed, however input and output are cut", async () => {
      await fc.assert(
        fc.asyncProperty(content, pieces, spaces, async (bytes, cuts, rooms) => {
          assert(bytes.equals(await inflate(candidate, candidate.compress(bytes), cuts, rooms)));
        }),
        { numRuns: 60 },
      );
    });

    test("takes several members or frames as one stream", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 4 }), pieces, async (list, cuts) => {
          const input = Buffer.concat(list.map((bytes) => candidate.compress(bytes)));
          assert(Buffer.concat(list).equals(await inflate(candidate, input, cuts)));
        }),
        { numRuns: 40 },
      );
    });

    test("a stream cut anywhere is refused as too short", async () => {
      const whole = candidate.compress(Buffer.from("some text, ".repeat(3000)));
      for (let length = 1; length < whole.length; length += length < 30 || length > whole.length - 20 ? 1 : 7)
        await assert.rejects(inflate(candidate, whole.subarray(0, length), []), (error) => {
          assert(isPlyError(error, "corrupt"), String(error));
          assert.match(error.message, /too early \(near byte \d+\)/);
          return true;
        });
    });

    test("a spoilt stream is refused, or gives what it should", async () => {
      const bytes = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * i) % 251));
      const whole = candidate.compress(bytes);
      await fc.assert(
        fc.asyncProperty(
          fc.nat(whole.length - 1),
          fc.integer({ min: 1, max: 255 }),
          pieces,
          async (at, change, cuts) => {
            const spoilt = Buffer.from(whole);
            spoilt[at] = (spoilt[at] ?? 0) ^ change;
            let got: Buffer;
            try {
              got = await inflate(candidate, spoilt, cuts);
            } catch (error) {
              assert(isPlyError(error, "corrupt"), String(error));
              return;
            }
            // Only names, times and flags of the header may change without harm.
            assert(got.equals(bytes));
          },
        ),
        { numRuns: 200 },
      );
    });

    test("rubbish behind the end is refused", async () => {
      const whole = candidate.compress(Buffer.from("text"));
      await assert.rejects(inflate(candidate, Buffer.concat([whole, Buffer.from("more")]), []), (error) =>
        isPlyError(error, "corrupt"),
      );
    });

    test("what a sink throws comes out", async () => {
      const input = candidate.compress(new Uint8Array(100_000));
      const decompressor = candidate.create();
      const enough = new Error("enough");
      const sink = {
        space: () => new Uint8Array(100),
        advance: () => {
          throw enough;
        },
      };
      const feed = async () => {
        await decompressor.push(input, sink);
        await decompressor.end(sink);
      };
      await assert.rejects(feed, enough);
      decompressor.close();
    });
  });

for (const candidate of CANDIDATES.filter(({ compression }) => compression === "gzip"))
  describe(`${candidate.name}, the format`, { skip: candidate.skip }, () => {
    test("zeros behind the end are padding", async () => {
      const input = Buffer.concat([zlib.gzipSync("text"), Buffer.alloc(3000)]);
      assert.equal((await inflate(candidate, input, [7])).toString(), "text");
    });

    test("a header with extra field, name, comment and checksum is passed over", async () => {
      const body = zlib.gzipSync("text").subarray(10);
      const head = Buffer.concat([
        Buffer.from([0x1f, 0x8b, 8, 0x1e, 1, 2, 3, 4, 0, 3, 5, 0]),
        Buffer.from("extra"),
        Buffer.from("name\0comment\0"),
      ]);
      const sum = zlib.crc32(head) & 0xffff;
      const input = Buffer.concat([head, Buffer.from([sum & 0xff, sum >> 8]), body]);
      for (const cut of [1, 3, 1000])
        assert.equal((await inflate(candidate, input, [cut])).toString(), "text");
    });

    test("a wrong checksum and a wrong length are named", async () => {
      for (const fromEnd of [8, 4]) {
        const input = zlib.gzipSync("text");
        const at = input.length - fromEnd;
        input[at] = (input[at] ?? 0) ^ 1;
        await assert.rejects(inflate(candidate, input, []), /checksum or length do not match/);
      }
    });
  });

async function* streamOf(bytes: Uint8Array, step: number, onReturn?: () => void) {
  try {
    for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
  } finally {
    onReturn?.();
  }
}

describe("decompress", () => {
  const text = Buffer.from("lorem ipsum ".repeat(50_000));
  const forms: [string, Uint8Array][] = [
    ["plain", text],
    ["gzip", zlib.gzipSync(text)],
  ];
  if (hasZstd) forms.push(["zstd", zlib.zstdCompressSync(text)]);
  for (const [name, bytes] of forms)
    test(`finds out what it is: ${name}`, async () => {
      for (const step of [1000, 1_000_000]) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of decompress(streamOf(bytes, step))) chunks.push(chunk);
        assert(Buffer.concat(chunks).equals(text));
      }
    });

  test("a stream that comes byte by byte, and an empty one", async () => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of decompress(streamOf(zlib.gzipSync("abc"), 1))) chunks.push(chunk);
    assert.equal(Buffer.concat(chunks).toString(), "abc");
    for await (const chunk of decompress(streamOf(new Uint8Array(0), 1)))
      assert.fail(`got ${chunk.length} bytes`);
  });

  test("left early, it returns its source", async () => {
    let isReturned = false;
    const source = streamOf(zlib.gzipSync(Buffer.alloc(1_000_000)), 100, () => {
      isReturned = true;
    });
    for await (const _ of decompress(source)) break;
    assert(isReturned);
  });

  for (const [name, bomb] of [
    ["gzip", zlib.gzipSync(Buffer.alloc(200_000_000), { level: 1 })],
    ["zstd", hasZstd ? zlib.zstdCompressSync(Buffer.alloc(200_000_000)) : undefined],
  ] as const)
    test(`a bomb inflates no faster than it is read: ${name}`, {
      skip: bomb === undefined ? "this Node has no zstd" : false,
    }, async () => {
      assert(bomb !== undefined);
      const before = process.memoryUsage().arrayBuffers;
      for await (const _ of decompress(streamOf(bomb, 20_000))) {
        // Time enough to inflate all of it, if nothing held it up.
        await new Promise((resolve) => setTimeout(resolve, 300));
        break;
      }
      const held = process.memoryUsage().arrayBuffers - before;
      assert(held < 60_000_000, `${held} bytes are held`);
    });
});
