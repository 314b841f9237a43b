import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { openErofs } from "../erofs/index.ts";
import {
  imageOfTars,
  listTree,
  type Part,
  type TreeListing,
  tarOf,
  whyNoErofs,
  withMountedUnion,
  writeOciLayout,
} from "./testing/index.ts";

const DEBIAN = "/var/cache/ply-test/layer.tar";
const dir = mkdtempSync(join(tmpdir(), "ply-union-"));
after(() => rmSync(dir, { recursive: true, force: true }));

const EXTRACT = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-owner"];

/** Unpacks with GNU tar into a fresh directory. */
function extract(tar: string): string {
  const target = mkdtempSync(join(dir, "extracted-"));
  execFileSync("tar", [...EXTRACT, "-xpf", tar, "-C", target]);
  return target;
}

function assertSameTree(actual: TreeListing, expected: TreeListing): void {
  for (const [path, line] of expected) assert.equal(actual.get(path), line, `at ${JSON.stringify(path)}`);
  assert.deepEqual([...actual.keys()], [...expected.keys()]);
}

function whyNoUmoci(): string | false {
  try {
    execFileSync("umoci", ["--version"]);
    return false;
  } catch {
    return "umoci is not installed";
  }
}

const noDebian = existsSync(DEBIAN) ? false : `no ${DEBIAN}`;
const skip = await whyNoErofs(dir);

describe("a mounted union is what tar would unpack", { skip }, () => {
  test("the Debian root filesystem", { skip: noDebian, timeout: 120_000 }, async () => {
    const expected = listTree(extract(DEBIAN));
    assert.ok(expected.size > 6000);
    assertSameTree(await withMountedUnion(dir, [DEBIAN], listTree), expected);
  });

  test("a nasty layer: every type, xattrs, long and odd names, holes, duplicates, link groups", async () => {
    const tar = join(dir, "nasty.tar");
    writeFileSync(tar, tarOf(...nastyParts()));
    const expected = listTree(extract(tar));
    const mounted = await withMountedUnion(dir, [tar], listTree);
    assertSameTree(mounted, expected);
    assert.match(mounted.get("caps") ?? "", /security\.capability=/);
  });

  test("the reader maps every file to the bytes that the kernel shows", async () => {
    const tar = join(dir, "nasty.tar");
    writeFileSync(tar, tarOf(...nastyParts()));
    const bytes = readFileSync(tar);
    const image = imageOfTars([tar]);
    const opened = openErofs(image);
    await withMountedUnion(dir, [tar], (target) => {
      for (const path of ["sparse", "sparse-odd", "all-hole", "dir/small", "big"]) {
        const inode = opened.lookup(path);
        assert.ok(inode, path);
        const read = Buffer.alloc(inode.size);
        for (const { offset, length, device, deviceOffset } of opened.map(inode)) {
          const from = device === -1 ? image : bytes;
          if (device !== null) read.set(from.subarray(deviceOffset, deviceOffset + length), offset);
        }
        assert.ok(read.equals(readFileSync(join(target, path))), path);
      }
    });
  });
});

describe("a mounted union of layers is what umoci would unpack", { skip: skip || whyNoUmoci() }, () => {
  const cases: Record<string, Part[][]> = {
    "whiteouts of files, directories, links and devices": [
      [
        { path: "d/", type: "directory", mode: 0o700 },
        { path: "d/f", content: "f" },
        { path: "d/sub/", type: "directory" },
        { path: "d/sub/x", content: "x" },
        { path: "keep", content: "k" },
        { path: "gone", content: "g" },
        { path: "gone-link", type: "symlink", mode: 0o777, linkTarget: "keep" },
        { path: "gone-hard", type: "hardlink", linkTarget: "keep" },
        { path: "null", type: "char", devMajor: 1, devMinor: 3 },
      ],
      [
        { path: "d/.wh.sub" },
        { path: ".wh.gone" },
        { path: ".wh.gone-link" },
        { path: ".wh.gone-hard" },
        { path: ".wh.null" },
        { path: ".wh.never-was" },
        { path: "no/.wh.parent" },
      ],
    ],
    "a whiteout hides only what came from below": [
      [
        { path: "f", content: "below" },
        { path: "d/", type: "directory" },
        { path: "d/below", content: "b" },
      ],
      [
        { path: "f", content: "same layer" },
        { path: ".wh.f" },
        { path: ".wh.d" },
        { path: "d/", type: "directory", mode: 0o711 },
        { path: "d/new", content: "n" },
      ],
    ],
    "opaque directories, marker first and last": [
      [
        { path: "a/", type: "directory" },
        { path: "a/old", content: "o" },
        { path: "a/sub/", type: "directory" },
        { path: "a/sub/old", content: "o" },
        { path: "b/", type: "directory", mode: 0o1777 },
        { path: "b/old", content: "o" },
      ],
      [
        { path: "a/", type: "directory", mode: 0o750 },
        { path: "a/.wh..wh..opq" },
        { path: "a/new", content: "n" },
        { path: "a/sub/", type: "directory" },
        { path: "a/sub/new", content: "n" },
        { path: "b/", type: "directory" },
        { path: "b/new", content: "n" },
        { path: "b/.wh..wh..opq" },
      ],
    ],
    "an opaque root": [
      [
        { path: "old", content: "o" },
        { path: "d/", type: "directory" },
      ],
      [{ path: "new", content: "n" }, { path: ".wh..wh..opq" }],
    ],
    "file over directory, directory over file, and back": [
      [
        { path: "x/", type: "directory" },
        { path: "x/inner", content: "i" },
        { path: "y", content: "y" },
        { path: "l", type: "symlink", mode: 0o777, linkTarget: "x" },
      ],
      [
        { path: "x", content: "now a file" },
        { path: "y/", type: "directory" },
        { path: "y/inner", content: "i" },
        { path: "l/", type: "directory" },
        { path: "l/inner", content: "i" },
      ],
      [
        { path: "x/", type: "directory", mode: 0o700 },
        { path: "x/again", content: "a" },
        { path: "y", content: "a file again" },
      ],
    ],
    "an omitted parent keeps its attributes": [
      [
        { path: "var/", type: "directory", mode: 0o700, uid: 5 },
        { path: "var/lock/", type: "directory", mode: 0o1777, gid: 7 },
      ],
      [{ path: "var/lock/file", content: "f" }],
    ],
    "hard links within and across layers, and of a name replaced later": [
      [
        { path: "one", content: "1" },
        { path: "two", type: "hardlink", linkTarget: "one" },
        { path: "d/", type: "directory" },
      ],
      [{ path: "d/three", type: "hardlink", linkTarget: "two" }],
      [{ path: "one", content: "replaced" }],
    ],
    "parents that are symlinks are followed inside the root": [
      [
        { path: "usr/", type: "directory" },
        { path: "usr/lib/", type: "directory" },
        { path: "usr/lib/foo", content: "foo" },
        { path: "usr/lib/bar", content: "bar" },
        { path: "lib", type: "symlink", mode: 0o777, linkTarget: "usr/lib" },
        { path: "lib2", type: "symlink", mode: 0o777, linkTarget: "/usr/lib" },
        { path: "up", type: "symlink", mode: 0o777, linkTarget: "../../../usr" },
      ],
      [
        { path: "lib/new", content: "new" },
        { path: "lib/.wh.foo" },
        { path: "up/from-up", content: "u" },
        { path: "lib2/", type: "directory" },
        { path: "lib2/.wh.bar" },
        { path: "lib2/own", content: "own" },
        { path: "hard", type: "hardlink", linkTarget: "lib/bar" },
      ],
    ],
  };
  for (const [name, layers] of Object.entries(cases))
    test(name, async () => {
      const tars = layers.map((parts, n) => {
        const path = join(dir, `layer${n}.tar`);
        writeFileSync(path, tarOf({ path: "./", type: "directory" }, ...parts));
        return path;
      });
      const layout = mkdtempSync(join(dir, "oci-"));
      writeOciLayout(
        layout,
        "t",
        tars.map((tar) => readFileSync(tar)),
      );
      const bundle = join(layout, "bundle");
      execFileSync("umoci", ["unpack", "--image", `${layout}:t`, bundle], { stdio: "pipe" });
      assertSameTree(await withMountedUnion(dir, tars, listTree), listTree(join(bundle, "rootfs")));
    });

  test("the Debian root filesystem under a layer that changes it", {
    skip: noDebian,
    timeout: 120_000,
  }, async () => {
    const upper = join(dir, "upper.tar");
    const parts: Part[] = [
      { path: "etc/hostname", content: "changed" },
      { path: "etc/.wh.motd" },
      { path: "usr/share/doc/", type: "directory" },
      { path: "usr/share/doc/.wh..wh..opq" },
      { path: "usr/share/.wh.man" },
      { path: "lib/through-the-link", content: "merged usr" },
    ];
    writeFileSync(upper, tarOf(...parts));
    const layout = mkdtempSync(join(dir, "oci-"));
    writeOciLayout(layout, "t", [readFileSync(DEBIAN), readFileSync(upper)]);
    const bundle = join(layout, "bundle");
    execFileSync("umoci", ["unpack", "--image", `${layout}:t`, bundle], { stdio: "pipe" });
    assertSameTree(await withMountedUnion(dir, [DEBIAN, upper], listTree), listTree(join(bundle, "rootfs")));
  });

  test("60 layers, each with files of its own", async () => {
    const tars = Array.from({ length: 60 }, (_, n) => {
      const path = join(dir, `l${n}`);
      const parts = [`f${n}`, "top", `d${n % 7}/x${n}`].map((at) => ({ path: at, content: `${at} of ${n}` }));
      writeFileSync(path, tarOf(...parts));
      return path;
    });
    await withMountedUnion(dir, tars, (target) => {
      for (let n = 0; n < 60; n++) {
        assert.equal(readFileSync(join(target, `f${n}`), "utf8"), `f${n} of ${n}`);
        assert.equal(readFileSync(join(target, `d${n % 7}/x${n}`), "utf8"), `d${n % 7}/x${n} of ${n}`);
      }
      assert.equal(readFileSync(join(target, "top"), "utf8"), "top of 59");
    });
  });
});

function nastyParts(): Part[] {
  const capability = Uint8Array.from([1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const acl = Uint8Array.from([
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 5, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0,
    6, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255,
  ]);
  const big = "0123456789abcdef".repeat(5000);
  const deep = Array.from({ length: 15 }, (_, n) => `${n}`.padEnd(255, "d"));
  return [
    { path: "./", type: "directory", mode: 0o711, uid: 3, gid: 4, mtimeSeconds: 77, mtimeNanos: 7 },
    { path: "dir/", type: "directory", mode: 0o1777, mtimeSeconds: 5 },
    { path: "dir/small", content: "x", mode: 0o4755, uid: 0xffff_fffe, gid: 70_000 },
    { path: "big", content: big, mtimeSeconds: -5, mtimeNanos: 123_456_789 },
    { path: "empty", mode: 0 },
    { path: "block-sized", content: "b".repeat(512), mtimeSeconds: 2 ** 33 },
    { path: "caps", content: "c", xattrs: new Map([["security.capability", capability]]) },
    {
      path: "xattrs",
      content: "c",
      xattrs: new Map([
        ["user.short", Uint8Array.of(1)],
        ["user.long", new Uint8Array(1500).fill(65)],
        ["user.empty", new Uint8Array(0)],
        ["trusted.odd\xe9", Uint8Array.of(0, 10, 61)],
        ["system.posix_acl_access", acl],
      ]),
      mode: 0o664,
    },
    {
      path: "xdir/",
      type: "directory",
      mode: 0o2770,
      xattrs: new Map([["user.d", new Uint8Array(490).fill(66)]]),
    },
    { path: `xdir/${"n".repeat(255)}`, content: "long name" },
    { path: "hard1", content: "linked", mode: 0o600 },
    { path: "dir/hard2", type: "hardlink", linkTarget: "hard1" },
    { path: "xdir/hard3", type: "hardlink", linkTarget: "./dir//hard2" },
    { path: "link", type: "symlink", mode: 0o644, linkTarget: "../../outside/é" },
    { path: "long-link", type: "symlink", mode: 0o777, linkTarget: "t".repeat(703) },
    { path: "block-link", type: "symlink", mode: 0o777, linkTarget: "t".repeat(512) },
    { path: "longest-link", type: "symlink", mode: 0o777, linkTarget: "t".repeat(4095) },
    { path: "link-of-link", type: "hardlink", linkTarget: "link" },
    { path: "fifo", type: "fifo", mode: 0o622 },
    { path: "null", type: "char", mode: 0o666, devMajor: 1, devMinor: 3 },
    { path: "disk", type: "block", mode: 0o660, gid: 6, devMajor: 259, devMinor: 70_000 },
    { path: "caf\xe9-latin1", content: "not UTF-8" },
    { path: "new\nline and \x01", content: "odd" },
    { path: "-dash", content: "sorts before the dots" },
    { path: ".dot", content: "." },
    { path: "..dots", content: ".." },
    {
      path: "sparse",
      size: 3_000_000,
      content: "s".repeat(8192),
      extents: [
        { offset: 4096, length: 4096 },
        { offset: 1_048_576, length: 4096 },
        { offset: 3_000_000, length: 0 },
      ],
    },
    {
      path: "sparse-odd",
      size: 100_001,
      content: "oabcdefg".repeat(384),
      extents: [
        { offset: 512, length: 1024 },
        { offset: 65_000, length: 1024 },
        { offset: 98_977, length: 1024 },
        { offset: 100_001, length: 0 },
      ],
    },
    { path: "all-hole", size: 5_000_000, extents: [{ offset: 5_000_000, length: 0 }] },
    { path: "many/", type: "directory", mtimeSeconds: 9 },
    ...Array.from({ length: 3000 }, (_, n) => ({ path: `many/${"f".repeat(n % 40)}${n}`, content: `${n}` })),
    ...deep.map((_, n): Part => ({ path: `${deep.slice(0, n + 1).join("/")}/`, type: "directory" })),
    { path: `${deep.join("/")}/file`, content: "deep" },
    { path: "twice", content: "first" },
    { path: "twice", content: "second", mode: 0o755 },
    { path: "was-file", content: "file" },
    { path: "was-link", type: "symlink", mode: 0o777, linkTarget: "empty" },
    { path: "was-link", content: "now a file" },
    { path: "many/", type: "directory", mode: 0o700, mtimeSeconds: 10 },
    { path: "dir/", type: "directory", mode: 0o1777, mtimeSeconds: 5 },
    {
      path: "xdir/",
      type: "directory",
      mode: 0o2770,
      mtimeSeconds: 6,
      xattrs: new Map([["user.d", new Uint8Array(490).fill(66)]]),
    },
    { path: "./", type: "directory", mode: 0o711, uid: 3, gid: 4, mtimeSeconds: 77, mtimeNanos: 7 },
  ];
}
