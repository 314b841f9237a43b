import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import type { ErofsInode } from "./inode.ts";
import type { ErofsNode } from "./node.ts";
import { type ErofsImage, openErofs } from "./read.ts";
import { type ErofsDevice, writeErofs } from "./write.ts";

const uuid = Uint8Array.from({ length: 16 }, (_, n) => n);
const DEVICE_SIZE = 1 << 20;
const DEVICES: ErofsDevice[] = [
  { tag: "a".repeat(64), size: DEVICE_SIZE },
  { tag: "empty", size: 0 },
  { tag: "b", size: 10 * DEVICE_SIZE - 512 },
];

const node = (type: ErofsNode["type"], over: Partial<ErofsNode> = {}): ErofsNode => ({
  type,
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeSeconds: 0,
  mtimeNanos: 0,
  size: 0,
  linkTarget: "",
  rdevMajor: 0,
  rdevMinor: 0,
  xattrs: new Map(),
  data: null,
  children: type === "directory" ? new Map() : null,
  ...over,
});
const directory = (children: Record<string, ErofsNode>, over: Partial<ErofsNode> = {}): ErofsNode =>
  node("directory", { mode: 0o755, children: new Map(Object.entries(children)), ...over });
const write = (root: ErofsNode, devices = DEVICES) => writeErofs(root, devices, { uuid });

const byteString = (max: number) =>
  fc
    .uint8Array({ minLength: 1, maxLength: max })
    .map((bytes) => Buffer.from(bytes).toString("latin1").replaceAll(/[/\0]/g, "_"));
const nameOfChild = fc
  .oneof(byteString(6), byteString(255))
  .map((text) => (/^\.{1,2}$/.test(text) ? "dots" : text));
const xattrName = fc.oneof(
  byteString(8).map((rest) => `user.${rest}`),
  byteString(8).map((rest) => `trusted.${rest}`),
  fc.constantFrom("security.capability", "system.posix_acl_access", "system.posix_acl_default"),
);
const attributes = fc.record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xffff_ffff }),
  gid: fc.integer({ min: 0, max: 0xffff_ffff }),
  mtimeSeconds: fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 50), max: 2 ** 50 })),
  mtimeNanos: fc.integer({ min: 0, max: 999_999_999 }),
  xattrs: fc
    .array(fc.tuple(xattrName, fc.uint8Array({ maxLength: 600 })), { maxLength: 3 })
    .map((pairs) => new Map(pairs.map(([key, value]) => [key, Uint8Array.from(value)]))),
});
const leaf: fc.Arbitrary<ErofsNode> = fc.oneof(
  fc
    .tuple(attributes, fc.nat({ max: 50_000 }), fc.nat({ max: 1000 }))
    .map(([over, size, block]) =>
      node("file", { ...over, size, data: size === 0 ? null : { device: 0, offset: block * 512 } }),
    ),
  fc
    .tuple(attributes, byteString(1500))
    .map(([over, linkTarget]) => node("symlink", { ...over, linkTarget })),
  fc
    .tuple(attributes, fc.nat({ max: 0xfff }), fc.nat({ max: 0xfffff }), fc.boolean())
    .map(([over, rdevMajor, rdevMinor, isChar]) =>
      node(isChar ? "char" : "block", { ...over, rdevMajor, rdevMinor }),
    ),
  attributes.map((over) => node("fifo", over)),
  attributes.map((over) => node("socket", over)),
);
const { tree } = fc.letrec<{ tree: ErofsNode; child: ErofsNode }>((tie) => ({
  child: fc.oneof({ maxDepth: 4 }, leaf, tie("tree")),
  tree: fc
    .tuple(attributes, fc.array(fc.tuple(nameOfChild, tie("child")), { maxLength: 25 }))
    .map(([over, children]) => node("directory", { ...over, children: new Map(children) })),
}));

/** Gives every seventh leaf a second name in the root. */
function withHardLinks(root: ErofsNode): ErofsNode {
  let count = 0;
  const visit = (at: ErofsNode): void => {
    for (const child of at.children?.values() ?? []) {
      if (child.children !== null) visit(child);
      else if (++count % 7 === 1) root.children?.set(`hard ${count}`, child);
    }
  };
  visit(root);
  return root;
}

interface Seen {
  readonly tree: unknown;
  readonly links: readonly string[][];
}

/** A tree as plain data, with the groups of names that are one inode. */
function seenOfTree(root: ErofsNode): Seen {
  const names = new Map<ErofsNode, string[]>();
  const visit = (at: ErofsNode, path: string): unknown => {
    names.set(at, [...(names.get(at) ?? []), path]);
    const { children, data, xattrs, ...rest } = at;
    const sorted = [...(children ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      ...rest,
      xattrs: [...xattrs],
      data:
        data === null ? [] : [{ offset: 0, length: at.size, device: data.device, deviceOffset: data.offset }],
      children: sorted.map(([name, child]) => [name, visit(child, `${path}/${name}`)]),
    };
  };
  const tree = visit(root, "");
  return { tree, links: [...names.values()] };
}

function seenOfImage(image: ErofsImage): Seen {
  const names = new Map<number, string[]>();
  const nlinks = new Map<number, number>();
  const visit = (at: ErofsInode, path: string): unknown => {
    names.set(at.nid, [...(names.get(at.nid) ?? []), path]);
    const isDirectory = at.type === "directory";
    const children = isDirectory ? image.list(at) : [];
    const subdirectories = children.filter((child) => child.type === "directory").length;
    nlinks.set(at.nid, at.nlink);
    if (isDirectory) assert.equal(at.nlink, 2 + subdirectories);
    return {
      type: at.type,
      mode: at.mode,
      uid: at.uid,
      gid: at.gid,
      mtimeSeconds: at.mtimeSeconds,
      mtimeNanos: at.mtimeNanos,
      size: at.type === "file" ? at.size : 0,
      linkTarget: at.type === "symlink" ? image.linkTarget(at) : "",
      rdevMajor: at.rdevMajor,
      rdevMinor: at.rdevMinor,
      xattrs: [...image.xattrs(at)],
      data: image.map(at),
      children: children.map(({ name, nid }) => [name, visit(image.inode(nid), `${path}/${name}`)]),
    };
  };
  const tree = visit(image.root, "");
  for (const [nid, group] of names)
    if (nlinks.get(nid) === 1 || group.length > 1) assert.equal(nlinks.get(nid), group.length);
  return { tree, links: [...names.values()] };
}

describe("an image that was written", () => {
  test("reads back as the tree it was made of, for random trees", () => {
    fc.assert(
      fc.property(tree, (random) => {
        const root = withHardLinks(random);
        const bytes = write(root);
        assert.equal(bytes.length % 512, 0);
        const image = openErofs(bytes);
        const links = (groups: readonly string[][]) => groups.map((group) => group.sort()).sort();
        const [want, got] = [seenOfTree(root), seenOfImage(image)];
        assert.deepEqual(got.tree, want.tree);
        assert.deepEqual(links([...got.links]), links([...want.links]));
        assert.deepEqual(write(root), bytes);
      }),
      { numRuns: 60 },
    );
  });

  test("has its devices behind it, one after the other", () => {
    const bytes = write(directory({}));
    const image = openErofs(bytes);
    const blocks = bytes.length / 512;
    assert.deepEqual(image.devices, [
      { tag: "a".repeat(64), length: DEVICE_SIZE, firstBlock: blocks },
      { tag: "empty", length: 0, firstBlock: blocks + 2048 },
      { tag: "b", length: 10 * DEVICE_SIZE - 512, firstBlock: blocks + 2048 },
    ]);
    assert.deepEqual(image.uuid, uuid);
  });

  test("is the same whatever the order of the children was", () => {
    const [a, b] = [node("file"), node("symlink", { linkTarget: "x" })];
    assert.deepEqual(write(directory({ a, b, "!": b })), write(directory({ "!": b, b, a })));
  });

  test("finds every name of a directory of 20,000", () => {
    const children = Object.fromEntries(
      Array.from({ length: 20_000 }, (_, n) => [`name-${n}`, node("file", { mode: n % 0o1000 })]),
    );
    const image = openErofs(write(directory({ big: directory(children) })));
    assert.equal(image.lookup("/big/name-19999")?.mode, 19_999 % 0o1000);
    assert.equal(image.lookup("big/nothing"), undefined);
    const big = image.lookup("big");
    assert.ok(big);
    const names = image.list(big).map((entry) => entry.name);
    assert.deepEqual(names, Object.keys(children).sort());
  });

  test("pieces of sparse files off the block grid are copied into it", () => {
    const device = Uint8Array.from({ length: DEVICE_SIZE }, (_, n) => n % 251);
    const data = { device: 2, offset: 512, extents: [{ offset: 100, length: 700 }] };
    const root = directory({ sparse: node("file", { size: 5000, data }) });
    const readAt = (index: number, offset: number, length: number) => {
      assert.equal(index, 2);
      return device.slice(offset, offset + length);
    };
    const bytes = writeErofs(root, DEVICES, { uuid, readAt });
    const image = openErofs(bytes);
    const inode = image.lookup("sparse");
    assert.ok(inode);
    const content = new Uint8Array(5000);
    for (const { offset, length, device: index, deviceOffset } of image.map(inode))
      if (index === -1) content.set(bytes.subarray(deviceOffset, deviceOffset + length), offset);
      else assert.equal(index, null);
    const expected = new Uint8Array(5000);
    expected.set(device.subarray(512, 1212), 100);
    assert.deepEqual(content, expected);
  });

  test("attributes that EROFS has no prefix for are left out", () => {
    const xattrs = new Map([
      ["com.apple.quarantine", Uint8Array.of(1)],
      ["system.nfs4_acl", Uint8Array.of(2)],
    ]);
    const image = openErofs(write(directory({}, { xattrs })));
    assert.deepEqual(image.xattrs(image.root), new Map());
  });
});

describe("a tree that cannot be written is refused", () => {
  const refused = (kind: "invalid" | "limit", root: ErofsNode, devices = DEVICES) =>
    assert.throws(
      () => write(root, devices),
      (error) => isPlyError(error, kind),
    );
  const file = (data: ErofsNode["data"], size = 1000) => directory({ f: node("file", { size, data }) });

  test("data beyond the device, off the grid, or on none", () => {
    refused("invalid", file({ device: 0, offset: DEVICE_SIZE - 512 }));
    refused("invalid", file({ device: 0, offset: 100 }));
    refused("invalid", file({ device: 3, offset: 0 }));
    refused("invalid", file({ device: 0, offset: -512 }));
    refused("invalid", file(null));
  });
  test("names that are none", () => {
    for (const name of ["", ".", "..", "a/b", "a\0", "x".repeat(256)])
      refused("invalid", directory({ [name]: node("file") }));
  });
  test("a directory under two names", () => {
    const twice = directory({});
    refused("invalid", directory({ a: twice, b: twice }));
  });
  test("a symlink to nothing, a root that is a file", () => {
    refused("invalid", directory({ l: node("symlink") }));
    refused("invalid", node("file"));
  });
  test("more than 2 TiB", () => {
    refused("limit", directory({}), [{ tag: "", size: 2 ** 41 }]);
    write(directory({}), [{ tag: "", size: 2 ** 41 - 2 ** 20 }]);
  });
  test("attributes and device numbers over the format's bounds", () => {
    refused("limit", directory({}, { xattrs: new Map([["user.x", new Uint8Array(65_536)]]) }));
    refused("limit", directory({ d: node("char", { rdevMajor: 4096 }) }));
  });
});
