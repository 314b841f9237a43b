import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { isPlyError } from "../error.ts";
import { inflateArchive } from "./archive-limit.ts";

const LIMITS = { freeTarBytes: 1_000_000, maxRatio: 100 };

async function lengthOf(bytes: Uint8Array): Promise<number> {
  async function* once(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  let length = 0;
  for await (const chunk of inflateArchive(once(), LIMITS)) length += chunk.length;
  return length;
}

describe("inflateArchive", () => {
  test("lets small archives and plain ones be of any proportion", async () => {
    assert.equal(await lengthOf(gzipSync(Buffer.alloc(900_000))), 900_000);
    assert.equal(await lengthOf(Buffer.alloc(3_000_000)), 3_000_000);
  });

  test("stops a bomb", async () => {
    await assert.rejects(
      lengthOf(gzipSync(Buffer.alloc(30_000_000))),
      (error) => isPlyError(error, "limit") && /more than 100 times its compressed size/.test(error.message),
    );
  });
});
