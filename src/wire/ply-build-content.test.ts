import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { decodeBuildAnswer } from "./ply-build-content.ts";

const line = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\r\n`);
const content = (output: number, bytes: Buffer): Buffer[] => [
  line({ type: "content", output, bytes: bytes.length }),
  bytes,
];

async function* cut(bytes: Buffer, every: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += every) yield bytes.subarray(at, at + every);
}

async function decoded(bytes: Buffer, every: number): Promise<unknown[]> {
  const seen: unknown[] = [];
  let last: { readonly output: number; bytes: Buffer } | undefined;
  for await (const message of decodeBuildAnswer(cut(bytes, every))) {
    if (message.type !== "content") seen.push(message);
    else if (message.bytes.length === 0) {
      seen.push([message.output, last?.bytes.toString("latin1") ?? ""]);
      last = undefined;
    } else {
      const before = last?.bytes ?? Buffer.alloc(0);
      last = { output: message.output, bytes: Buffer.concat([before, message.bytes]) };
    }
  }
  return seen;
}

describe("a build's answer", () => {
  const bytes = Buffer.from([0x0a, 0x0d, 0x7b, 0xff, 0x00, 0x0a, 0x22]);
  const answer = Buffer.concat([
    line({ type: "warning", message: "ü\n" }),
    ...content(0, bytes),
    ...content(0, bytes),
    line({ type: "content", output: 0, bytes: 0 }),
    line({ type: "content", output: 1, bytes: 0 }),
    line({ type: "built", id: "x", names: [], isStored: true }),
  ]);

  test("is lines, and between them bytes that look like lines, however it is cut", async () => {
    const twice = Buffer.concat([bytes, bytes]).toString("latin1");
    for (let every = 1; every <= answer.length; every++)
      assert.deepEqual(await decoded(answer, every), [
        { type: "warning", message: "ü\n" },
        [0, twice],
        [1, ""],
        { type: "built", id: "x", names: [], isStored: true },
      ]);
  });

  test("that ends too early or is none is told", async () => {
    const kindOf = async (given: Buffer): Promise<string> => {
      try {
        await decoded(given, 7);
        return "none";
      } catch (error) {
        return isPlyError(error) ? error.kind : String(error);
      }
    };
    const [announced = Buffer.alloc(0)] = content(0, bytes);
    assert.equal(await kindOf(announced), "unavailable");
    assert.equal(await kindOf(Buffer.concat([announced, bytes.subarray(1)])), "unavailable");
    assert.equal(await kindOf(Buffer.from('{"type":"war')), "unavailable");
    assert.equal(await kindOf(Buffer.from("<html>\n")), "corrupt");
  });
});
