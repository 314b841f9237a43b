import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import { crc32c } from "./checksum.ts";
import type { ErofsNode } from "./node.ts";
import { type ErofsImage, openErofs } from "./read.ts";
import { writeErofs } from "./write.ts";

function sample(): Uint8Array {
  const attributes = {
    mode: 0o644,
    uid: 1,
    gid: 2,
    mtimeSeconds: 3,
    mtimeNanos: 4,
    size: 0,
    linkTarget: "",
    rdevMajor: 0,
    rdevMinor: 0,
    xattrs: new Map([["user.x", Uint8Array.of(1, 2, 3)]]),
    data: null,
    children: null,
  };
  const children = new Map<string, ErofsNode>();
  for (let n = 0; n < 60; n++)
    children.set(`file-${n}`, {
      ...attributes,
      type: "file",
      size: 900,
      data: { device: 0, offset: n * 1024 },
    });
  children.set("link", { ...attributes, type: "symlink", linkTarget: "t".repeat(600) });
  const extents = [{ offset: 4096, length: 512 }];
  children.set("sparse", {
    ...attributes,
    type: "file",
    size: 9000,
    data: { device: 0, offset: 0, extents },
  });
  const root: ErofsNode = { ...attributes, type: "directory", children };
  return writeErofs(root, [{ tag: "t", size: 1 << 20 }], { uuid: new Uint8Array(16) });
}

/** Looks at everything once, never at one directory within itself. */
function lookAtAll(image: ErofsImage): void {
  const seen = new Set<number>();
  const todo = [image.root];
  for (let inode = todo.pop(); inode !== undefined; inode = todo.pop()) {
    if (seen.has(inode.nid)) continue;
    seen.add(inode.nid);
    image.xattrs(inode);
    if (inode.type === "symlink") image.linkTarget(inode);
    for (const { length } of image.map(inode)) assert.ok(length > 0);
    if (inode.type === "directory") for (const { nid } of image.list(inode)) todo.push(image.inode(nid));
  }
}

describe("the reader", () => {
  test("meets damage anywhere with a clean error, and never runs away", () => {
    const good = sample();
    lookAtAll(openErofs(good));
    const change = fc.tuple(fc.integer({ min: 1024, max: good.length - 1 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const bent = good.slice();
        for (const [at, value] of changes) bent[at] = value;
        const view = new DataView(bent.buffer);
        view.setUint32(1028, 0, true);
        view.setUint32(1028, crc32c(bent.subarray(1024, 1536)), true);
        try {
          lookAtAll(openErofs(bent));
        } catch (error) {
          assert.ok(isPlyError(error, "corrupt") || isPlyError(error, "unsupported"), String(error));
        }
      }),
      { numRuns: 1500 },
    );
  });

  test("meets every truncation with a clean error", () => {
    const good = sample();
    for (let length = 0; length < good.length; length += 97)
      assert.throws(
        () => lookAtAll(openErofs(good.subarray(0, length))),
        (error) => isPlyError(error, "corrupt"),
      );
  });

  test("notices a wrong superblock checksum", () => {
    const bent = sample();
    bent[1024 + 50] = 1;
    assert.throws(() => openErofs(bent), /checksum/);
  });

  test("reads by positions as well as from memory", () => {
    const bytes = sample();
    const source = {
      size: bytes.length,
      readAt: (offset: number, length: number) => bytes.slice(offset, offset + length),
    };
    const image = openErofs(source);
    assert.equal(image.linkTarget(image.lookup("link") ?? image.root), "t".repeat(600));
    assert.deepEqual(image.map(image.lookup("file-3") ?? image.root), [
      { offset: 0, length: 900, device: 0, deviceOffset: 3072 },
    ]);
    assert.deepEqual(image.map(image.lookup("sparse") ?? image.root), [
      { offset: 0, length: 4096, device: null, deviceOffset: 0 },
      { offset: 4096, length: 512, device: 0, deviceOffset: 0 },
      { offset: 4608, length: 4392, device: null, deviceOffset: 0 },
    ]);
  });
});
