import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { readTar } from "./read.ts";
import { TAR_END, tarHeader, tarPadding } from "./write.ts";

function file(path: string, text: string): Buffer {
  const data = Buffer.from(text);
  const header = tarHeader({ path, type: "file", mode: 0o644, size: data.length });
  return Buffer.concat([header, data, tarPadding(data.length)]);
}

async function* inPieces(archive: Uint8Array, length: number, onReturn?: () => void) {
  try {
    for (let at = 0; at < archive.length; at += length) yield archive.subarray(at, at + length);
  } finally {
    onReturn?.();
  }
}

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const ARCHIVE = Buffer.concat([file("a", "first"), file("b", "x".repeat(3000)), file("c", "last"), TAR_END]);

describe("readTar", () => {
  for (const length of [100, 512, 100_000])
    test(`gives entries and contents, in pieces of ${length} bytes`, async () => {
      const got: [string, string][] = [];
      for await (const { entry, content } of readTar(inPieces(ARCHIVE, length)))
        got.push([entry.path, await textOf(content)]);
      assert.deepEqual(got, [
        ["a", "first"],
        ["b", "x".repeat(3000)],
        ["c", "last"],
      ]);
    });

  test("skips content that nobody reads, or reads to its end", async () => {
    const got: string[] = [];
    for await (const { entry, content } of readTar(inPieces(ARCHIVE, 700))) {
      got.push(entry.path);
      if (entry.path === "b") for await (const _ of content) break;
    }
    assert.deepEqual(got, ["a", "b", "c"]);
  });

  test("returns the stream when left early", async () => {
    let isReturned = false;
    for await (const _ of readTar(
      inPieces(ARCHIVE, 512, () => {
        isReturned = true;
      }),
    ))
      break;
    assert(isReturned);
  });

  test("fills holes with zeros", async () => {
    const extents = [
      { offset: 3, length: 512 },
      { offset: 100_000, length: 1 },
    ];
    const header = tarHeader({ path: "s", type: "file", mode: 0o644, size: 200_000, extents });
    const archive = Buffer.concat([
      header,
      Buffer.from(`${"ab".padEnd(512, ".")}c`),
      tarPadding(513),
      TAR_END,
    ]);
    const expected = Buffer.alloc(200_000);
    expected.write("ab".padEnd(512, "."), 3);
    expected.write("c", 100_000);
    for await (const { content } of readTar(inPieces(archive, 512)))
      assert.equal(await textOf(content), expected.toString());
  });

  test("says where a cut archive stops", async () => {
    await assert.rejects(
      async () => {
        for await (const { content } of readTar(inPieces(ARCHIVE.subarray(0, 2000), 512)))
          await textOf(content);
      },
      (error) => isPlyError(error, "corrupt") && /byte 2000, in the data of "b"/.test(error.message),
    );
  });
});
