import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as zlib from "node:zlib";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import { isalBound, openIsal, openIsalDeflater } from "../linux/index.ts";
import { createDecompressor } from "./create.ts";
import { createDeflatePool } from "./deflate-pool.ts";
import { zlibDeflater } from "./deflater.ts";
import { gzipStream, gzipTail } from "./gzip.ts";

const isal = openIsalDeflater();
const skip = isal === undefined ? "no Bun or no libisal.so.2" : false;

async function* cutAt(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const step = cuts[i % cuts.length] ?? bytes.length;
    yield bytes.subarray(at, at + step);
    at += step;
  }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Between noise and zeros, of any length up to some blocks. */
const content = fc
  .array(fc.record({ seed: fc.nat(), symbols: fc.integer({ min: 1, max: 256 }), length: fc.nat(600_000) }), {
    maxLength: 4,
  })
  .map((parts) => Buffer.concat(parts.map(noise)));

function noise({ seed, symbols, length }: { seed: number; symbols: number; length: number }): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % symbols;
  });
}

function inflateByIsal(bytes: Uint8Array): Buffer {
  const decompressor = createDecompressor("gzip", openIsal());
  const chunks: Uint8Array[] = [];
  const room = new Uint8Array(64 * 1024);
  const sink = { space: () => room, advance: (length: number) => void chunks.push(room.slice(0, length)) };
  decompressor.push(bytes, sink);
  decompressor.end(sink);
  return Buffer.concat(chunks);
}

describe("a pool that deflates by ISA-L", { skip }, () => {
  test("gives one member, always the same bytes: whatever the threads, the chunks and the level", async () => {
    await using one = createDeflatePool({ threads: 1 });
    await using many = createDeflatePool({ threads: 3 });
    const cuts = fc.array(fc.integer({ min: 999, max: 700_000 }), { maxLength: 4 });
    const levels = fc.constantFrom(undefined, 1, 2, 3);
    await fc.assert(
      fc.asyncProperty(content, cuts, cuts, levels, async (bytes, some, others, level) => {
        const options = level === undefined ? {} : { level };
        const [first, second] = await Promise.all([
          collect(gzipStream(cutAt(bytes, some), { ...options, deflater: one })),
          collect(gzipStream(cutAt(bytes, others), { ...options, deflater: many })),
        ]);
        assert(first.equals(second));
        assert(zlib.gunzipSync(first).equals(bytes));
        assert(inflateByIsal(first).equals(bytes));
      }),
      { numRuns: 10 },
    );
  });

  test("deflates with levels of its own up to 2, and with zlib above", async () => {
    await using pool = createDeflatePool();
    const bytes = noise({ seed: 7, symbols: 40, length: 400_000 });
    const [usual, first, second, sixth] = await Promise.all(
      [undefined, 1, 2, 6].map((level) =>
        collect(gzipStream(cutAt(bytes, []), { deflater: pool, ...(level === undefined ? {} : { level }) })),
      ),
    );
    assert(usual !== undefined && first !== undefined && second !== undefined && sixth !== undefined);
    assert(usual.equals(second) && !first.equals(second));
    assert(sixth.equals(await collect(gzipStream(cutAt(bytes, []), { level: 6, deflater: zlibDeflater }))));
  });

  test("keeps to its bytes when it is used again, behind other blocks and at the bound of its output", () => {
    assert(isal !== undefined);
    const output = new Uint8Array(isalBound(512 * 1024));
    const worst = noise({ seed: 3, symbols: 256, length: 512 * 1024 });
    const dictionary = worst.subarray(0, 32 * 1024);
    for (const level of [1, 2] as const) {
      const first = output.slice(0, isal.deflate({ input: worst, dictionary, level }, output));
      isal.deflate({ input: new Uint8Array(300_000), dictionary: new Uint8Array(0), level }, output);
      const again = output.slice(0, isal.deflate({ input: worst, dictionary, level }, output));
      assert.deepEqual(again, first);
      const whole = zlib.inflateRawSync(Buffer.concat([again, Uint8Array.of(3, 0)]), { dictionary });
      assert(whole.equals(worst));
    }
    assert.throws(
      () => isal.deflate({ input: worst, dictionary, level: 2 }, new Uint8Array(1000)),
      /did not deflate 524288 bytes into 1000/,
    );
  });

  test("closed, it rejects what is under way and what comes", async () => {
    const pool = createDeflatePool({ threads: 1 });
    const block = { input: new Uint8Array(500_000), dictionary: new Uint8Array(0) };
    const jobs = Promise.allSettled(Array.from({ length: 9 }, () => pool.deflate(block)));
    await pool[Symbol.asyncDispose]();
    for (const job of await jobs) assert(job.status === "rejected" && isPlyError(job.reason, "cancelled"));
    await assert.rejects(pool.deflate(block), /cancelled/);
  });

  test("a thread that dies fails its blocks; the next ones get another", async () => {
    const directory = fs.mkdtempSync(join(tmpdir(), "ply-deflate-"));
    try {
      const flag = join(directory, "died");
      const worker = join(directory, "dying.worker.ts");
      fs.writeFileSync(
        worker,
        `import { existsSync, writeFileSync } from "node:fs";
         import { parentPort, workerData } from "node:worker_threads";
         parentPort.on("message", ({ slot }) => {
           if (!existsSync(${JSON.stringify(flag)})) { writeFileSync(${JSON.stringify(flag)}, ""); throw new Error("out of breath"); }
           new Uint8Array(workerData[slot].output).set([1, 2, 3]);
           parentPort.postMessage({ slot, length: 3 });
         });`,
      );
      await using pool = createDeflatePool({ threads: 1, workerUrl: new URL(`file://${worker}`) });
      const block = { input: new Uint8Array(500_000), dictionary: new Uint8Array(0) };
      await assert.rejects(pool.deflate(block), /the thread that compresses died: .*out of breath/);
      assert.deepEqual(await pool.deflate(block), Uint8Array.of(1, 2, 3));
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });
});

test("without ISA-L, or with a level above its own, a pool is zlib", async () => {
  await using pool = createDeflatePool();
  const bytes = Buffer.alloc(1_200_000, "layers are never unpacked, ");
  const options = isal === undefined ? {} : { level: 6 };
  const packed = await collect(gzipStream(cutAt(bytes, [1000]), { deflater: pool, ...options }));
  assert(packed.equals(await collect(gzipStream(cutAt(bytes, []), { level: 6 }))));
});

test("the tail of a member has its length modulo 4 GiB", () => {
  const length = 5 * 2 ** 32 + 7;
  const tail = gzipTail({ crc: 0xdeadbeef, length });
  assert.equal(Buffer.from(tail).toString("hex"), "0300efbeadde07000000");
});
