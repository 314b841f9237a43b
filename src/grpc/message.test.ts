import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import protobuf from "protobufjs";
import { isPlyError } from "../error.ts";
import {
  bigint64,
  bool,
  bytes,
  double,
  float,
  int32,
  int64,
  map,
  message,
  nested,
  optional,
  repeated,
  text,
  uint32,
} from "./message.ts";

const Part = message({ name: text(1), weight: double(2), tags: map(3, text, bytes) });
const Thing = message({
  ref: text(1),
  count: int32(2),
  size: int64(3),
  time: bigint64(4),
  flag: bool(5),
  data: bytes(6),
  part: nested(7, Part),
  parts: repeated(nested(8, Part)),
  numbers: repeated(int64(9)),
  names: repeated(text(10)),
  byName: map(11, text, (number) => nested(number, Part)),
  maybe: optional(text(12)),
  small: uint32(100),
  ratio: float(2000),
});

/** The same by another implementation. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Part { string name = 1; double weight = 2; map<string, bytes> tags = 3; }
  message Thing {
    string ref = 1; int32 count = 2; int64 size = 3; int64 time = 4; bool flag = 5; bytes data = 6;
    Part part = 7; repeated Part parts = 8; repeated int64 numbers = 9; repeated string names = 10;
    map<string, Part> byName = 11; optional string maybe = 12; uint32 small = 100; float ratio = 2000;
  }`);
const peer = root.lookupType("Thing");

const plain = fc.string({ unit: "binary" });
const binary = fc.uint8Array({ maxLength: 40 });
const safe = fc.maxSafeInteger();
const part = fc.record({
  name: plain,
  weight: fc.double({ noNaN: true }).map((value) => value + 0),
  tags: fc.array(fc.tuple(plain, binary), { maxLength: 3 }).map((pairs) => new Map(pairs)),
});
const thing = fc.record({
  ref: plain,
  count: fc.integer(),
  size: safe,
  time: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  flag: fc.boolean(),
  data: binary,
  part: fc.option(part, { nil: undefined }),
  parts: fc.array(part, { maxLength: 3 }),
  numbers: fc.array(safe, { maxLength: 5 }),
  names: fc.array(plain, { maxLength: 5 }),
  byName: fc.array(fc.tuple(plain, part), { maxLength: 3 }).map((pairs) => new Map(pairs)),
  maybe: fc.option(plain, { nil: undefined }),
  small: fc.nat(),
  ratio: fc.float({ noNaN: true }).map((value) => value + 0),
});

test("what is written is read again, and another implementation reads and writes the same", () => {
  fc.assert(
    fc.property(thing, (value) => {
      const written = Thing.encode(value);
      assert.deepEqual(plainly(Thing.decode(written)), plainly(value));
      const rewritten = peer.encode(peer.decode(written)).finish();
      assert.deepEqual(plainly(Thing.decode(rewritten)), plainly(value));
    }),
  );
});

test("hostile bytes are read as something or refused in our words", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (given) => {
      try {
        Thing.decode(given);
      } catch (error) {
        assert.ok(isPlyError(error, "invalid"), String(error));
      }
    }),
  );
  const known = Thing.encode({ parts: [{ name: "a" }], names: ["b"], small: 7, ratio: 0.5 });
  for (let length = 1; length < known.length; length++)
    try {
      Thing.decode(known.subarray(0, length));
    } catch (error) {
      assert.ok(isPlyError(error, "invalid"), String(error));
    }
});

test("a field of another type, a length beyond the end and a number beyond 2^53 are refused", () => {
  const refused = (hex: string) =>
    assert.throws(() => Thing.decode(Buffer.from(hex, "hex")), { kind: "invalid" });
  refused("0801");
  refused("0a05616263");
  refused("3a800161");
  refused(Buffer.from(message({ size: bigint64(3) }).encode({ size: 2n ** 60n })).toString("hex"));
});

test("unknown fields are passed over; absent ones have their zero", () => {
  const other = message({ what: text(999), ref: text(1), group: repeated(int64(1000)) });
  const read = Thing.decode(other.encode({ what: "else", ref: "kept", group: [1, 2] }));
  assert.deepEqual(
    {
      ref: read.ref,
      count: read.count,
      part: read.part,
      names: read.names,
      maybe: read.maybe,
      time: read.time,
    },
    { ref: "kept", count: 0, part: undefined, names: [], maybe: undefined, time: 0n },
  );
});

/** Maps and bytes as what can be compared. */
function plainly(value: unknown): unknown {
  if (value instanceof Map)
    return [...value]
      .map(([key, each]) => [key, plainly(each)])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(plainly);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plainly(each)]));
  return value;
}
