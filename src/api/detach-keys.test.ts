import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { detachScanner, parseDetachKeys } from "./detach-keys.ts";

const typed = (text: string) => Buffer.from(text, "latin1");

describe("detach keys", () => {
  test("the notation is Docker's", () => {
    assert.deepEqual(parseDetachKeys(null), [16, 17]);
    assert.deepEqual(parseDetachKeys("ctrl-a,q"), [1, 113]);
    assert.deepEqual(parseDetachKeys("ctrl-@,ctrl-["), [0, 27]);
    assert.throws(() => parseDetachKeys("ctrl-1"), /invalid escape keys \(ctrl-1\) provided/);
  });

  test("the sequence is found across chunks and not passed on", () => {
    const scan = detachScanner([16, 17]);
    assert.deepEqual(scan(typed("ab\x10")), { bytes: Uint8Array.from(typed("ab")), detached: false });
    assert.deepEqual(scan(typed("\x11c")), { bytes: new Uint8Array(), detached: true });
  });

  test("what only began like it is passed on whole", () => {
    const scan = detachScanner([16, 17]);
    assert.equal(Buffer.from(scan(typed("\x10")).bytes).toString("latin1"), "");
    assert.equal(Buffer.from(scan(typed("x\x10\x10y")).bytes).toString("latin1"), "\x10x\x10\x10y");
  });

  test("a sequence that begins within another is not missed", () => {
    const scan = detachScanner([...typed("aab")]);
    assert.deepEqual(scan(typed("aaab")), { bytes: Uint8Array.from(typed("a")), detached: true });
  });
});
