import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { quoteBytes } from "./quote.ts";

const bytesOf = (text: string): string => Buffer.from(text).toString("latin1");

describe("quoteBytes", () => {
  test("shows names as people wrote them, and shortens long ones", () => {
    assert.equal(quoteBytes(bytesOf("etc/motd")), '"etc/motd"');
    assert.equal(quoteBytes(bytesOf("größe")), '"größe"');
    assert.equal(quoteBytes("n".repeat(120)), `"${"n".repeat(120)}"`);
    assert.equal(quoteBytes("n".repeat(100_000)), `"${"n".repeat(120)}…"`);
  });

  test("leaves nothing that a terminal obeys", () => {
    assert.equal(quoteBytes("a\x1b[2Jb\rc"), '"a\\u001b[2Jb\\rc"');
    assert.equal(quoteBytes(bytesOf("a\x9b2Jb\x7f\u202ec")), '"a\\u009b2Jb\\u007f\\u202ec"');
  });
});
