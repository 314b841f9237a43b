import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import { algorithmOf, chainIdsOf, digestOf, hexOf, parseDiffId, parseDigest } from "./digest.ts";

test("digests of known bytes", () => {
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  assert.equal(digestOf(""), `sha256:${empty}`);
  assert.equal(hexOf(parseDigest(`sha256:${empty}`)), empty);
  assert.equal(algorithmOf(digestOf("", "sha512")), "sha512");
});

test("malformed digests are refused by the part that is wrong", () => {
  const refuses = (text: string, message: RegExp): void =>
    assert.throws(
      () => parseDigest(text),
      (error) => isPlyError(error) && message.test(error.message),
    );
  refuses("", /no algorithm/);
  refuses(":abc", /no algorithm/);
  refuses(`md5:${"0".repeat(32)}`, /unsupported digest algorithm/);
  refuses("sha256:abc", /3 hex digits, not 64/);
  refuses(`sha256:${"A".repeat(64)}`, /not lower-case hex/);
  refuses(`sha256:${"../".repeat(21)}a`, /not lower-case hex/);
});

test("a chain id folds the layers from the bottom up", () => {
  const [a, b] = [parseDiffId(digestOf("a")), parseDiffId(digestOf("b"))];
  assert.deepEqual(chainIdsOf([]), []);
  assert.deepEqual(chainIdsOf([a, b]).map(String), [a, digestOf(`${a} ${b}`)]);
});
