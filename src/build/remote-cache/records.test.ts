import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../../error.ts";
import { type DiffId, digestOf } from "../../oci/index.ts";
import { CACHE_FIELD, type CacheRecord, encodeCacheConfig, layersOf, parseRecords } from "./records.ts";

const hex = (text: string): string => digestOf(text).slice("sha256:".length);
const [one, two] = ["one", "two"].map((text) => digestOf(text) as DiffId) as [DiffId, DiffId];
const NOW = Date.parse("2026-11-21T20:00:00.123Z");
const RECORDS: readonly CacheRecord[] = [
  { historyKey: hex("h1"), createdAt: NOW, made: { key: hex("k1"), diffId: one } },
  { historyKey: hex("h2"), createdAt: NOW + 1 },
  { historyKey: hex("h3"), createdAt: NOW + 2, made: { key: hex("k3"), diffId: null } },
  { historyKey: hex("h4"), createdAt: NOW + 3, made: { key: hex("k4"), diffId: two } },
  { historyKey: hex("h5"), createdAt: NOW + 4, made: { key: hex("k5"), diffId: one }, definition: hex("d5") },
  { historyKey: hex("h6"), createdAt: NOW + 5, definition: hex("d6") },
];

describe("records of a build cache", () => {
  test("are read as they were written, each layer and each step once", () => {
    assert.deepEqual(layersOf(RECORDS), [one, two]);
    const read = parseRecords(encodeCacheConfig([...RECORDS, ...RECORDS]));
    assert.deepEqual(read, {
      diffIds: [one, two],
      layers: new Map([
        [hex("k1"), one],
        [hex("k3"), null],
        [hex("k4"), two],
        [hex("k5"), one],
      ]),
      definitions: new Map([
        [hex("d5"), hex("k5")],
        [hex("d6"), null],
      ]),
      times: new Map(RECORDS.map(({ historyKey, createdAt }) => [historyKey, createdAt])),
    });
    assert.deepEqual(encodeCacheConfig(RECORDS), encodeCacheConfig([...RECORDS, ...RECORDS]));
  });

  test("are not in the config of an image that has none", () => {
    assert.equal(parseRecords(Buffer.from('{"rootfs":{"type":"layers","diff_ids":[]}}')), undefined);
  });

  const step = { history: hex("h"), created: "2026-11-21T20:00:00Z", key: hex("k"), layer: 0 };
  const hostile: Readonly<Record<string, unknown>> = {
    "no object": [],
    "steps that are no list": { steps: {} },
    "a step that is none": { steps: [1] },
    "too many steps": { steps: Array(50_001).fill(step) },
    "a layer that is not there": { steps: [{ ...step, layer: 1 }] },
    "a layer before the first": { steps: [{ ...step, layer: -1 }] },
    "a layer of another kind": { steps: [{ ...step, layer: "length" }] },
    "no layer": { steps: [{ ...step, layer: undefined }] },
    "a key that is none": { steps: [{ ...step, key: "__proto__" }] },
    "a history that is none": { steps: [{ ...step, history: 1 }] },
    "a definition that is none": { steps: [{ ...step, definition: "short" }] },
    "a time that is none": { steps: [{ ...step, created: "soon" }] },
    "a time that cannot be written": { steps: [{ ...step, created: "+200000-01-01T00:00:00Z" }] },
  };
  for (const [what, value] of Object.entries(hostile))
    test(`are refused: ${what}`, () => {
      const config = { rootfs: { type: "layers", diff_ids: [one] }, [CACHE_FIELD]: value };
      assert.throws(
        () => parseRecords(Buffer.from(JSON.stringify(config))),
        (error) => isPlyError(error, "invalid") || isPlyError(error, "limit"),
      );
    });
});
