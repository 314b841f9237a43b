import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import { decodeFrame, encodeFrame } from "./websocket.ts";

/** What a client sends: our frame with a mask (RFC 6455, section 5.3). */
function masked(opcode: number, payload: Uint8Array, mask: Uint8Array): Buffer {
  const plain = encodeFrame(opcode, payload);
  const head = plain.subarray(0, plain.length - payload.length);
  head[1] = (head[1] ?? 0) | 0x80;
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0))]);
}

describe("websocket frames", () => {
  test("the example of RFC 6455, section 5.7", () => {
    const frame = decodeFrame(Buffer.from("818537fa213d7f9f4d5158", "hex"));
    assert.equal(String(frame?.payload), "Hello");
    assert.equal(frame?.opcode, 1);
    assert.equal(encodeFrame(1, Buffer.from("Hello")).toString("hex"), "810548656c6c6f");
  });

  test("whatever is sent is read, however it arrives", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.nat(70_000).map((length) => new Uint8Array(length).fill(length)),
        ),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.nat(20),
        (payload, mask, cut) => {
          const bytes = masked(2, payload, mask);
          assert.equal(decodeFrame(bytes.subarray(0, bytes.length - 1 - (cut % bytes.length))), undefined);
          const frame = decodeFrame(Buffer.concat([bytes, Buffer.from("next")]));
          assert.deepEqual(frame?.payload, Buffer.from(payload));
          assert.equal(String(frame?.rest), "next");
        },
      ),
    ));

  test("without a mask, or too large, it is refused", () => {
    assert.throws(
      () => decodeFrame(encodeFrame(2, Buffer.from("x"))),
      (error) => isPlyError(error, "invalid"),
    );
    const huge = Buffer.from("82ff0000000080000000000000000000", "hex");
    assert.throws(
      () => decodeFrame(huge),
      (error) => isPlyError(error, "limit"),
    );
  });
});
