import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ErrorKind } from "../error.ts";
import { isPlyError } from "../error.ts";
import { bytesOf } from "./byte-string.ts";
import type { TarEntry } from "./entry.ts";
import { headerChecksum, writeOctal } from "./field.ts";
import { formatPaxRecord } from "./pax.ts";
import { createTarScanner } from "./scan.ts";
import { TAR_END, tarHeader, tarPadding } from "./write.ts";

function scan(...parts: readonly Uint8Array[]): TarEntry[] {
  const entries: TarEntry[] = [];
  const scanner = createTarScanner({ onEntry: (entry) => entries.push(entry) });
  for (const part of parts) scanner.push(part);
  scanner.end();
  return entries;
}

function refuses(kind: ErrorKind, message: RegExp, ...parts: readonly Uint8Array[]): void {
  assert.throws(
    () => scan(...parts),
    (error: unknown) => {
      assert(isPlyError(error, kind), String(error));
      assert.match(error.message, message);
      return true;
    },
  );
}

/** A ustar block with some of its bytes changed, and the checksum to match. */
function patched(block: Uint8Array, patches: Readonly<Record<number, Uint8Array | string>>): Buffer {
  const copy = Buffer.from(block);
  for (const [at, bytes] of Object.entries(patches))
    copy.set(typeof bytes === "string" ? bytesOf(bytes) : bytes, Number(at));
  writeOctal(copy, 148, 7, headerChecksum(copy, 0));
  copy[155] = 0x20;
  return copy;
}

const FILE = tarHeader({ path: "file", type: "file", mode: 0o644 });

function meta(flag: string, body: Uint8Array): Buffer {
  const header = patched(tarHeader({ path: "meta", type: "file", mode: 0o644, size: body.length }), {
    156: flag,
  });
  return Buffer.concat([header, body, tarPadding(body.length)]);
}

const pax = (...records: readonly [string, string][]): Buffer =>
  meta("x", Buffer.concat(records.map(([key, value]) => formatPaxRecord(key, bytesOf(value)))));

function base256(value: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let rest = BigInt.asUintN(length * 8, value);
  for (let i = length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes;
}

describe("numbers", () => {
  test("base-256 sizes, times before 1970 and 32-bit owners are read", () => {
    const header = patched(FILE, {
      108: base256(-2n, 8),
      116: base256(4_000_000_000n, 8),
      136: base256(-86_401n, 12),
    });
    const [entry] = scan(header, TAR_END);
    assert.equal(entry?.uid, 4_294_967_294);
    assert.equal(entry?.gid, 4_000_000_000);
    assert.equal(entry?.mtimeSeconds, -86_401);
  });

  test("offsets are right behind entries of many gigabytes", () => {
    const size = 5 * 1024 ** 4;
    const big = patched(FILE, { 124: base256(BigInt(size), 12) });
    const seen: number[] = [];
    const scanner = createTarScanner({ onEntry: (entry) => seen.push(entry.dataOffset) });
    scanner.push(big);
    const zeros = new Uint8Array(1024 ** 2 * 64);
    for (let left = size; left > 0; left -= zeros.length * 1024)
      for (let i = 0; i < 1024; i++) scanner.push(zeros);
    scanner.push(FILE);
    assert.deepEqual(seen, [512, size + 1024]);
  });

  test("a size we cannot count is refused", () => {
    refuses(
      "corrupt",
      /size field is 9223372036854775807/,
      patched(FILE, { 124: base256(2n ** 63n - 1n, 12) }),
    );
    refuses("limit", /larger than we can count/, pax(["size", "9007199254740991"]), FILE);
    refuses("corrupt", /the size is -1/, patched(FILE, { 124: base256(-1n, 12) }));
  });

  test("a field that is no number is refused with its place", () => {
    refuses(
      "corrupt",
      /mode field is not a number \(at byte 512, after "file"\)/,
      FILE,
      patched(FILE, { 100: "abcdefg\0" }),
    );
  });

  test("sizes of links, devices and directories are not followed by data", () => {
    const link = patched(tarHeader({ path: "l", type: "hardlink", mode: 0, linkTarget: "file" }), {
      124: "00000001000\0",
    });
    const directory = patched(tarHeader({ path: "d/", type: "directory", mode: 0o755 }), {
      124: "00000001000\0",
    });
    assert.deepEqual(
      scan(link, directory, FILE, TAR_END).map((entry) => [entry.path, entry.size]),
      [
        ["l", 0],
        ["d/", 0],
        ["file", 0],
      ],
    );
  });
});

describe("checksums", () => {
  test("a sum of signed bytes is accepted, another is not", () => {
    const header = patched(FILE, { 0: Uint8Array.of(0xff, 0xfe) });
    const signed = Buffer.from(header);
    writeOctal(signed, 148, 7, headerChecksum(header, 0) - 512);
    assert.equal(scan(signed, TAR_END)[0]?.path, "\xff\xfele");
    writeOctal(signed, 148, 7, headerChecksum(header, 0) - 256);
    refuses("corrupt", /checksum is wrong \(at byte 0\)/, signed);
  });
});

describe("names", () => {
  test("v7 directories are told by their slash, and have no prefix", () => {
    const v7 = patched(FILE, { 0: "dir/\0", 156: "\0", 257: "\0\0\0\0\0\0\0\0", 345: "not a prefix" });
    const [entry] = scan(v7, TAR_END);
    assert.equal(entry?.path, "dir/");
    assert.equal(entry?.type, "directory");
  });

  test("GNU long names and links go before the header's", () => {
    const long = "n".repeat(5000);
    const target = "t".repeat(300);
    const symlink = tarHeader({ path: "x", type: "symlink", mode: 0o777, linkTarget: "y" });
    const [entry] = scan(
      meta("L", bytesOf(`${long}\0`)),
      meta("K", bytesOf(`${target}\0`)),
      symlink,
      TAR_END,
    );
    assert.equal(entry?.path, long);
    assert.equal(entry?.linkTarget, target);
  });

  test("a name field without NUL is 100 bytes long", () => {
    assert.equal(scan(patched(FILE, { 0: "a".repeat(100) }), TAR_END)[0]?.path, "a".repeat(100));
  });
});

describe("PAX", () => {
  test("global records hold until changed, an extended header's go before them", () => {
    const globals = (key: string, value: string): Buffer => meta("g", formatPaxRecord(key, bytesOf(value)));
    const entries = scan(
      globals("uname", "all"),
      FILE,
      pax(["uname", "one"], ["mtime", "-1.25"]),
      FILE,
      globals("mtime", "7.5"),
      FILE,
      TAR_END,
    );
    assert.deepEqual(
      entries.map((entry) => [entry.uname, entry.mtimeSeconds, entry.mtimeNanos]),
      [
        ["all", 0, 0],
        ["one", -2, 750_000_000],
        ["all", 7, 500_000_000],
      ],
    );
  });

  test("xattrs are cut by length, and libarchive's are decoded", () => {
    const [entry] = scan(
      pax(
        ["SCHILY.xattr.user.bin", "a\n12 b=\0c"],
        ["SCHILY.xattr.user.a%3Db%25", ""],
        ["LIBARCHIVE.xattr.user.x%20y", "aGVsbG8"],
        ["LIBARCHIVE.xattr.user.bin", "bm8="],
        ["hdrcharset", "BINARY"],
      ),
      FILE,
      TAR_END,
    );
    assert.deepEqual(
      [...(entry?.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString("latin1")]),
      [
        ["user.bin", "a\n12 b=\0c"],
        ["user.a=b%", ""],
        ["user.x y", "hello"],
      ],
    );
  });

  test("records that are not what they say are refused", () => {
    for (const body of ["x path=a\n", "99 path=a\n", "9 path=a", "8 path=a\n", "6 =ab\n", "5\n", "4 a\n"])
      refuses("corrupt", /PAX record|PAX header/, meta("x", bytesOf(body)), FILE, TAR_END);
    refuses("corrupt", /holds a NUL/, pax(["path", "a\0b"]), FILE);
    refuses("corrupt", /not a time/, pax(["mtime", "yesterday"]), FILE);
    refuses("corrupt", /not a 32-bit id/, pax(["uid", "4294967296"]), FILE);
  });

  test("an extended header or long name beyond all measure is refused before it is read", () => {
    const huge = (flag: string, size: number): Buffer =>
      patched(tarHeader({ path: "meta", type: "file", mode: 0, size }), { 156: flag });
    refuses("limit", /PAX header of 1048577 bytes/, huge("x", 1024 * 1024 + 1));
    refuses("limit", /long name of 65537 bytes/, huge("L", 64 * 1024 + 1));
  });
});

describe("sparse files", () => {
  const data = new Uint8Array(1024).fill(1);

  test("format 0.0 takes its runs in order, 0.1 from one record", () => {
    const header = tarHeader({ path: "GNUSparseFile.0/s", type: "file", mode: 0o644, size: 1024 });
    const wanted = [
      { offset: 0, length: 512 },
      { offset: 4096, length: 512 },
    ];
    const [old] = scan(
      pax(
        ["GNU.sparse.size", "8192"],
        ["GNU.sparse.numblocks", "2"],
        ["GNU.sparse.offset", "0"],
        ["GNU.sparse.numbytes", "512"],
        ["GNU.sparse.offset", "4096"],
        ["GNU.sparse.numbytes", "512"],
      ),
      header,
      data,
      TAR_END,
    );
    assert.deepEqual([old?.size, old?.storedSize, old?.extents], [8192, 1024, wanted]);
    const [one] = scan(
      pax(
        ["GNU.sparse.size", "8192"],
        ["GNU.sparse.numblocks", "3"],
        ["GNU.sparse.map", "0,512,4096,512,8192,0"],
        ["GNU.sparse.name", "s"],
      ),
      header,
      data,
      TAR_END,
    );
    assert.deepEqual([one?.path, one?.size, one?.extents], ["s", 8192, wanted]);
  });

  test("holes have an end, in one file and in all of them together", () => {
    const claiming = (size: number) => [
      pax(["GNU.sparse.size", String(size)], ["GNU.sparse.map", "0,512"]),
      tarHeader({ path: "s", type: "file", mode: 0o644, size: 512 }),
      data.subarray(0, 512),
    ];
    refuses("limit", /sparse files of more than/, ...claiming(2 ** 50), TAR_END);
    assert.equal(scan(...claiming(2 ** 43), TAR_END).length, 1);
    refuses("limit", /sparse files of more than/, ...claiming(2 ** 43), ...claiming(2 ** 43 + 4096), TAR_END);
  });

  test("maps that overlap, leave the file or do not add up are refused", () => {
    const header = tarHeader({ path: "s", type: "file", mode: 0o644, size: 1024 });
    const withMap = (map: string): Buffer => pax(["GNU.sparse.size", "8192"], ["GNU.sparse.map", map]);
    refuses("corrupt", /overlap/, withMap("0,600,512,424"), header);
    refuses("corrupt", /behind its end/, withMap("8000,1024"), header);
    refuses("corrupt", /hold 512 bytes, the archive 1024/, withMap("0,512"), header);
    refuses("corrupt", /odd number/, withMap("0"), header);
    refuses("corrupt", /real size/, pax(["GNU.sparse.map", "0,1024"]), header);
  });

  test("a 1.0 map that lies is refused", () => {
    const head = pax(["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.realsize", "8192"]);
    const header = tarHeader({ path: "s", type: "file", mode: 0o644, size: 1024 });
    const block = (text: string): Buffer => Buffer.concat([bytesOf(text), Buffer.alloc(512 - text.length)]);
    refuses("corrupt", /not a list of numbers/, head, header, block("1\nx\n"));
    refuses("limit", /9999999 runs/, head, header, block("9999999\n"));
    refuses("corrupt", /its map is cut off/, head, header, bytesOf(`600\n${"1\n".repeat(510)}`), data);
    const [entry] = scan(head, header, block("1\n512\n512\n"), data.subarray(512), TAR_END);
    assert.equal((entry?.dataOffset ?? 0) % 512, 0);
    assert.deepEqual(entry?.extents, [{ offset: 512, length: 512 }]);
  });
});

describe("ends", () => {
  test("missing padding, one zero block, no end marker and rubbish after the end are all right", () => {
    const file = tarHeader({ path: "f", type: "file", mode: 0, size: 3 });
    const data = bytesOf("abc");
    const rubbish = Buffer.alloc(5000, 0x55);
    for (const rest of [
      [],
      [tarPadding(3)],
      [tarPadding(3), TAR_END.subarray(512)],
      [tarPadding(3), TAR_END, rubbish],
    ])
      assert.deepEqual(
        scan(file, data, ...rest).map((entry) => entry.path),
        ["f"],
      );
    assert.deepEqual(scan(), []);
  });

  test("an archive that stops early is refused with its length and path", () => {
    const file = tarHeader({ path: "f", type: "file", mode: 0, size: 3 });
    refuses("corrupt", /ends at byte 514, in the data of "f", 1 bytes too early/, file, bytesOf("ab"));
    refuses("corrupt", /ends at byte 612, in a header after "file"/, FILE, FILE.subarray(0, 100));
    refuses("corrupt", /ends after an extended header/, pax(["path", "x"]), TAR_END);
    refuses("corrupt", /in a header/, pax(["path", "x"]));
    refuses("corrupt", /lone zero block/, TAR_END.subarray(512), FILE);
  });

  test("what is no tar is refused", () => {
    refuses("corrupt", /checksum is wrong/, Buffer.from("<html>not found</html>".padEnd(600)));
  });

  test("the number of entries is bounded", () => {
    const scanner = createTarScanner({ onEntry: () => undefined, maxEntries: 2 });
    scanner.push(FILE);
    scanner.push(FILE);
    assert.throws(
      () => scanner.push(FILE),
      (error) => isPlyError(error, "limit"),
    );
  });
});
