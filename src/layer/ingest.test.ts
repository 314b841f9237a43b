import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import * as zlib from "node:zlib";
import fc from "fast-check";
import { type ErrorKind, isPlyError } from "../error.ts";
import { parseDiffId, parseDigest } from "../oci/index.ts";
import { TAR_END, type TarHeaderFields, tarHeader, tarPadding } from "../tar/index.ts";
import { decodeIndex } from "./index-codec.ts";
import type { IngestJob, IngestPool, OpenStream } from "./ingest.ts";
import { createIngestPool } from "./ingest-pool.ts";

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

function tarOf(members: readonly { readonly fields: TarHeaderFields; readonly data?: Uint8Array }[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { fields, data = new Uint8Array(0) } of members)
    parts.push(tarHeader({ ...fields, size: data.length }), data, tarPadding(data.length));
  return Buffer.concat([...parts, TAR_END]);
}

/** Numbers that do not compress well, the same each time. */
function noise(length: number): Uint8Array {
  let state = 42;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 24;
  });
}

const DATA = noise(3_000_000);
const TAR = tarOf([
  { fields: { path: "etc/", type: "directory", mode: 0o755 } },
  { fields: { path: "etc/hosts", type: "file", mode: 0o644 }, data: Buffer.from("localhost") },
  { fields: { path: "usr/data", type: "file", mode: 0o644 }, data: DATA },
  { fields: { path: "etc/.wh.passwd", type: "file", mode: 0o644 } },
]);
const GZIP = zlib.gzipSync(TAR);
const CONTENT_SIZE = DATA.length + "localhost".length;

let dir = "";
let pool: IngestPool;
let job: IngestJob & { readonly partPath: string };
let number = 0;

before(() => {
  dir = fs.mkdtempSync(join(tmpdir(), "ply-ingest-"));
  pool = createIngestPool({ workers: 2 });
});
after(async () => {
  await pool[Symbol.asyncDispose]();
  fs.rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => {
  for (const name of fs.readdirSync(dir)) fs.rmSync(join(dir, name));
  job = newJob(GZIP);
});

function newJob(bytes: Uint8Array): IngestJob & { readonly partPath: string } {
  const name = join(dir, String(number++));
  return {
    tarPath: `${name}.tar`,
    indexPath: `${name}.index`,
    partPath: `${name}.part`,
    digest: parseDigest(sha256(bytes)),
    size: bytes.length,
  };
}

/** A source that can be read from anywhere, in chunks; remembers from where. */
function sourceOf(bytes: Uint8Array, step = 100_000) {
  const opened: number[] = [];
  const open: OpenStream = async (offset) => {
    opened.push(offset);
    return (async function* () {
      for (let at = offset; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
    })();
  };
  return { open, opened };
}

/** Gives `bytes` up to `end`, then what `then` does. */
function brokenSource(bytes: Uint8Array, end: number, then: () => Promise<void>): OpenStream {
  return async (offset) =>
    (async function* () {
      for (let at = offset; at < end; at += 50_000) yield bytes.subarray(at, Math.min(end, at + 50_000));
      await then();
    })();
}

const breakLine = async (): Promise<void> => {
  throw new Error("ECONNRESET");
};

async function refuses(kind: ErrorKind, message: RegExp, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert(isPlyError(error, kind), `${String(error)} is not ${kind}`);
    assert.match(error.message, message);
    return true;
  });
}

const files = (): string[] => fs.readdirSync(dir).sort();

function assertKept(of: IngestJob, tar: Uint8Array): void {
  assert(fs.readFileSync(of.tarPath).equals(tar));
  assert.deepEqual(
    files().map((name) => name.replace(/^\d+/, "N")),
    ["N.index", "N.tar"],
  );
}

describe("a layer", () => {
  const forms: [string, Uint8Array][] = [
    ["gzip", GZIP],
    ["none", TAR],
  ];
  if (zlib.zstdCompressSync !== undefined) forms.push(["zstd", zlib.zstdCompressSync(TAR)]);
  for (const [compression, bytes] of forms)
    test(`as ${compression} is hashed, written, indexed`, async () => {
      job = newJob(bytes);
      const seen: number[] = [];
      let verifying = 0;
      const result = await pool.ingest(job, sourceOf(bytes).open, {
        onProgress: (count) => seen.push(count),
        onVerifying: () => verifying++,
      });
      assert.deepEqual(result, {
        digest: sha256(bytes),
        size: bytes.length,
        diffId: sha256(TAR),
        tarSize: TAR.length,
        compression,
        entryCount: 4,
        contentSize: CONTENT_SIZE,
      });
      assertKept(job, TAR);
      const { entries } = decodeIndex(fs.readFileSync(job.indexPath));
      assert.deepEqual(
        entries.map(({ type, path }) => [type, path]),
        [
          ["directory", "etc"],
          ["file", "etc/hosts"],
          ["file", "usr/data"],
          ["whiteout", "etc/passwd"],
        ],
      );
      const data = entries[2];
      assert(TAR.subarray(data?.offset, (data?.offset ?? 0) + (data?.size ?? 0)).equals(DATA));
      assert.deepEqual([seen.at(-1), verifying], [bytes.length, 1]);
    });

  test("of unknown digest and size is taken as it comes, and padded to 512 bytes", async () => {
    const whole = tarOf([{ fields: { path: "f", type: "file", mode: 0o644 }, data: noise(700) }]);
    const cut = whole.subarray(0, 512 + 800);
    const { tarPath, indexPath } = job;
    const result = await pool.ingest({ tarPath, indexPath }, sourceOf(zlib.gzipSync(cut)).open);
    assert.deepEqual([result.diffId, result.tarSize], [sha256(cut), cut.length]);
    assert(fs.readFileSync(tarPath).equals(whole.subarray(0, 512 + 1024)));
  });

  test("with long runs of zeros has holes on disk, and the same bytes", async () => {
    const zeros = new Uint8Array(5_000_000);
    const data = Buffer.concat([zeros, Buffer.from("between"), zeros, noise(100_000), zeros]);
    const tar = tarOf([{ fields: { path: "disk.img", type: "file", mode: 0o644 }, data }]);
    const bytes = zlib.gzipSync(tar);
    job = newJob(bytes);
    await pool.ingest(job, sourceOf(bytes).open);
    assertKept(job, tar);
    const onDisk = fs.statSync(job.tarPath).blocks * 512;
    assert(onDisk < 1_000_000, `${onDisk} bytes on disk of ${tar.length}`);
  });

  test("with a sha512 digest is verified", async () => {
    const digest = parseDigest(`sha512:${createHash("sha512").update(GZIP).digest("hex")}`);
    const result = await pool.ingest({ ...job, digest }, sourceOf(GZIP).open);
    assert.equal(result.digest, digest);
    await refuses(
      "corrupt",
      /digest sha512:/,
      pool.ingest({ ...job, digest, size: 9 }, sourceOf(Buffer.from("something")).open),
    );
  });

  test("many at once come out right", async () => {
    const tars = Array.from({ length: 12 }, (_, i) =>
      tarOf([{ fields: { path: `file${i}`, type: "file", mode: 0o644 }, data: noise(i * 60_000) }]),
    );
    const results = await Promise.all(
      tars.map((tar) => {
        const bytes = zlib.gzipSync(tar);
        return pool.ingest(newJob(bytes), sourceOf(bytes, 7000).open);
      }),
    );
    assert.deepEqual(
      results.map(({ diffId }) => diffId),
      tars.map(sha256),
    );
  });
});

describe("a small uncompressed layer without a part file", () => {
  const small = tarOf([{ fields: { path: "etc/hosts", type: "file", mode: 0o644 }, data: noise(700) }]);
  const plain = (): IngestJob => ({ tarPath: job.tarPath, indexPath: job.indexPath });

  test("is taken in without threads, as with them", async () => {
    const threadless = createIngestPool({ workerUrl: new URL("file:///nowhere.worker.ts") });
    const progress: number[] = [];
    const result = await threadless.ingest(plain(), sourceOf(small, 300).open, {
      onProgress: (bytes) => progress.push(bytes),
    });
    const { tarPath, indexPath, partPath } = job;
    const kept = { tar: fs.readFileSync(tarPath), index: fs.readFileSync(indexPath) };
    await threadless[Symbol.asyncDispose]();
    assert.deepEqual(await pool.ingest({ tarPath, indexPath, partPath }, sourceOf(small).open), result);
    assert.deepEqual({ tar: fs.readFileSync(tarPath), index: fs.readFileSync(indexPath) }, kept);
    assert.equal(progress.at(-1), small.length);
  });

  test("is refused for the same reasons, and nothing kept", async () => {
    const hostile = tarOf([{ fields: { path: "../etc/passwd", type: "file", mode: 0o644 } }]);
    await refuses("invalid", /\.\./, pool.ingest(plain(), sourceOf(hostile).open));
    await refuses("corrupt", /in the data of/, pool.ingest(plain(), sourceOf(small.subarray(0, 900)).open));
    const digest = parseDigest(sha256(Buffer.from("other")));
    await refuses("corrupt", /have the digest/, pool.ingest({ ...plain(), digest }, sourceOf(small).open));
    await refuses("unavailable", /ECONNRESET/, pool.ingest(plain(), brokenSource(small, 600, breakLine)));
    const nowhere = { tarPath: join(dir, "no", "where.tar"), indexPath: job.indexPath };
    await refuses("internal", /ENOENT/, pool.ingest(nowhere, sourceOf(small).open));
    assert.deepEqual(files(), []);
  });

  test("that turns out to be large, or compressed, is whole all the same", async () => {
    const large = await pool.ingest(plain(), sourceOf(TAR, 50_000).open);
    assert.deepEqual([large.diffId, large.tarSize], [sha256(TAR), TAR.length]);
    const compressed = await pool.ingest(plain(), sourceOf(zlib.gzipSync(small)).open);
    assert.deepEqual([compressed.diffId, compressed.compression], [sha256(small), "gzip"]);
  });

  test("can be cancelled while its stream stalls", async () => {
    const controller = new AbortController();
    const stalled = brokenSource(small, 600, () => {
      controller.abort();
      return new Promise<void>(() => undefined);
    });
    await refuses("cancelled", /cancelled/, pool.ingest(plain(), stalled, { signal: controller.signal }));
    assert.deepEqual(files(), []);
  });
});

describe("what is not what it should be", () => {
  test("a wrong digest, DiffID or size is refused and nothing kept", async () => {
    const other = parseDigest(sha256(Buffer.from("other")));
    const { open } = sourceOf(GZIP);
    await refuses("corrupt", /have the digest/, pool.ingest({ ...job, digest: other }, open));
    const diffId = parseDiffId(sha256(Buffer.from("other")));
    await refuses("corrupt", /DiffID/, pool.ingest({ ...job, diffId }, open));
    await refuses("corrupt", /more than the 1000 bytes/, pool.ingest({ ...job, size: 1000 }, open));
    assert.deepEqual(files(), []);
  });

  test("a stream that is too short is said to be so, its bytes are kept", async () => {
    await refuses(
      "unavailable",
      /ended after 200000 of/,
      pool.ingest(job, sourceOf(GZIP.subarray(0, 200_000)).open),
    );
    assert(fs.readFileSync(job.partPath).equals(GZIP.subarray(0, 200_000)));
    assert.equal(files().length, 1);
  });

  test("spoilt bytes show as a wrong digest, whatever they break on the way", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(GZIP.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const spoilt = Buffer.from(GZIP);
        spoilt[at] = (spoilt[at] ?? 0) ^ change;
        await refuses("corrupt", /have the digest/, pool.ingest(job, sourceOf(spoilt).open));
        assert.deepEqual(files(), []);
      }),
      { numRuns: 12 },
    );
  });

  test("gzip cut at random, with a digest that agrees, is refused as gzip", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 10, max: GZIP.length - 1 }), async (length) => {
        const cut = GZIP.subarray(0, length);
        await refuses("corrupt", /gzip: .* \(near byte \d+\)/, pool.ingest(newJob(cut), sourceOf(cut).open));
        assert.deepEqual(files(), []);
      }),
      { numRuns: 12 },
    );
  });

  test("a tar that is cut, no tar, or one with a hostile path is refused by name", async () => {
    const refused = async (kind: ErrorKind, message: RegExp, tar: Uint8Array): Promise<void> => {
      const bytes = zlib.gzipSync(tar);
      await refuses(kind, message, pool.ingest(newJob(bytes), sourceOf(bytes).open));
      await refuses(
        kind,
        message,
        pool.ingest({ tarPath: job.tarPath, indexPath: job.indexPath }, sourceOf(bytes).open),
      );
      assert.deepEqual(files(), []);
    };
    await refused("corrupt", /in the data of "usr\/data"/, TAR.subarray(0, 1_000_000));
    await refused("corrupt", /checksum is wrong/, Buffer.from("<html>no</html>".repeat(100)));
    await refused(
      "invalid",
      /\.\./,
      tarOf([{ fields: { path: "../../etc/passwd", type: "file", mode: 0o644 } }]),
    );
  });

  test("bzip2 is refused with a hint", async () => {
    const bytes = Buffer.from("BZh91AY&SY and so on");
    await refuses("unsupported", /bzip2/, pool.ingest(newJob(bytes), sourceOf(bytes).open));
    assert.deepEqual(files(), []);
  });

  test("a bomb stops at the limits", async () => {
    const limits = { freeTarBytes: 4_000_000, maxRatio: 100, maxTarBytes: 20_000_000 };
    const small = createIngestPool({ workers: 1, limits });
    try {
      async function* endless(): AsyncGenerator<Uint8Array> {
        // One gzip member after the other: a stream may be several.
        for (const zeros = zlib.gzipSync(Buffer.alloc(1_000_000)); ; ) yield zeros;
      }
      await refuses(
        "limit",
        /100 times its compressed size/,
        small.ingest({ ...job, size: 1e9 }, async () => endless()),
      );
      const big = Buffer.alloc(20_000_001);
      await refuses("limit", /more than 20000000 bytes/, small.ingest(newJob(big), sourceOf(big).open));
      assert.deepEqual(files(), []);
      await small.ingest(job, sourceOf(GZIP).open);
    } finally {
      await small[Symbol.asyncDispose]();
    }
  });
});

describe("going on", () => {
  test("from any byte where the line was cut gives the same result", async () => {
    const whole = await pool.ingest(newJob(GZIP), sourceOf(GZIP).open);
    await fc.assert(
      fc.asyncProperty(fc.nat(GZIP.length), async (end) => {
        for (const name of files()) fs.rmSync(join(dir, name));
        await refuses("unavailable", /ECONNRESET/, pool.ingest(job, brokenSource(GZIP, end, breakLine)));
        assert.deepEqual(files(), [job.partPath.slice(dir.length + 1)]);
        assert(fs.readFileSync(job.partPath).equals(GZIP.subarray(0, end)));
        const { open, opened } = sourceOf(GZIP);
        assert.deepEqual(await pool.ingest(job, open), whole);
        assert.deepEqual(opened, end === GZIP.length ? [] : [end]);
        assertKept(job, TAR);
      }),
      { numRuns: 12, examples: [[0], [GZIP.length]] },
    );
  });

  test("from a part whose bytes are bad starts again by itself", async () => {
    fs.writeFileSync(job.partPath, Buffer.alloc(500_000));
    const { open, opened } = sourceOf(GZIP);
    await pool.ingest(job, open);
    assert.deepEqual(opened, [500_000, 0]);
    assertKept(job, TAR);
  });

  test("from a part that is too long starts again", async () => {
    fs.writeFileSync(job.partPath, Buffer.concat([GZIP, Buffer.from("more")]));
    const { open, opened } = sourceOf(GZIP);
    await pool.ingest(job, open);
    assert.deepEqual(opened, [0]);
  });
});

describe("being cancelled", () => {
  test("stops a stalled stream, keeps the part, leaves the pool at work", async () => {
    const controller = new AbortController();
    const stalled = brokenSource(GZIP, 500_000, () => new Promise<void>(() => undefined));
    const work = pool.ingest(job, stalled, {
      signal: controller.signal,
      onProgress: (bytes) => {
        if (bytes === 500_000) controller.abort();
      },
    });
    await refuses("cancelled", /cancelled/, work);
    assert(fs.readFileSync(job.partPath).equals(GZIP.subarray(0, 500_000)));
    assert.equal(files().length, 1);
    await pool.ingest(job, sourceOf(GZIP).open);
    assertKept(job, TAR);
  });

  test("stops an open that never answers, and one that waits for its turn", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let opened = 0;
    const never: OpenStream = () => {
      if (++opened === 2) controller.abort();
      return new Promise(() => undefined);
    };
    const works = Array.from({ length: 5 }, () => pool.ingest(newJob(GZIP), never, { signal }));
    await Promise.all(works.map((work) => refuses("cancelled", /cancelled/, work)));
    assert.equal(opened, 2);
    await pool.ingest(job, sourceOf(GZIP).open);
  });

  test("happens to what is at work when the pool is disposed of", async () => {
    const other = createIngestPool({ workers: 1 });
    const opened = Promise.withResolvers<void>();
    const work = other.ingest(job, () => {
      opened.resolve();
      return new Promise(() => undefined);
    });
    const refused = refuses("cancelled", /cancelled/, work);
    await opened.promise;
    await other[Symbol.asyncDispose]();
    await refused;
    await refuses("cancelled", /cancelled/, other.ingest(job, sourceOf(GZIP).open));
  });
});

describe("trouble at home", () => {
  test("a directory that is not there is an error, and the pool goes on", async () => {
    const nowhere = { ...job, tarPath: join(dir, "no", "where.tar") };
    await refuses("internal", /ENOENT/, pool.ingest(nowhere, sourceOf(GZIP).open));
    await pool.ingest(job, sourceOf(GZIP).open);
    assertKept(job, TAR);
  });

  for (const how of [`throw new Error("boom")`, `Promise.reject(new Error("boom"))`])
    test(`a thread that dies (${how}) is an internal error, and the next layer gets new threads`, async () => {
      const worker = join(dir, "crash.worker.mjs");
      const real = new URL("./ingest.worker.ts", import.meta.url).href;
      const mark = join(dir, "crashed");
      fs.writeFileSync(
        worker,
        `import { existsSync, writeFileSync } from "node:fs";
       import { parentPort, workerData } from "node:worker_threads";
       if (workerData.role === "keep" || existsSync(${JSON.stringify(mark)})) await import(${JSON.stringify(real)});
       else parentPort.on("message", () => { writeFileSync(${JSON.stringify(mark)}, ""); ${how}; });`,
      );
      const other = createIngestPool({ workers: 1, workerUrl: new URL(`file://${worker}`) });
      try {
        await refuses(
          "internal",
          /boom/,
          other.ingest(
            job,
            brokenSource(GZIP, 200_000, () => new Promise(() => undefined)),
          ),
        );
        assert(!fs.existsSync(job.tarPath));
        await other.ingest(job, sourceOf(GZIP).open);
        assert(fs.readFileSync(job.tarPath).equals(TAR));
      } finally {
        await other[Symbol.asyncDispose]();
      }
    });
});
