import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { TAR_END, type TarHeaderFields, tarHeader, tarPadding } from "../tar/index.ts";
import { listDirectory, openRoot, pack, statPath, type UnpackOptions, unpack } from "./index.ts";

const skip = process.versions["bun"] === undefined ? "system calls need Bun" : false;
const BARE: UnpackOptions = { keepKinds: false, owner: "caller", links: "follow" };

async function* archive(...members: (Partial<TarHeaderFields> & { path: string; data?: string })[]) {
  for (const { data = "", ...fields } of members) {
    const bytes = Buffer.from(data);
    yield tarHeader({ type: "file", mode: 0o644, ...fields, size: bytes.length });
    yield bytes;
    yield tarPadding(bytes.length);
  }
  yield TAR_END;
}

describe("trees within a root", { skip }, () => {
  let home: string;
  let top: string;
  before(() => {
    home = fs.mkdtempSync(join(tmpdir(), "ply-files-"));
  });
  beforeEach(() => {
    top = fs.mkdtempSync(join(home, "root-"));
    fs.writeFileSync(join(home, "outside"), "mine");
  });
  after(() => fs.rmSync(home, { recursive: true, force: true }));

  test("what was packed is what is unpacked: odd names, modes, times, links, hard links, pipes", async () => {
    const from = join(top, "from");
    fs.mkdirSync(join(from, "sub"), { recursive: true, mode: 0o751 });
    fs.writeFileSync(Buffer.from(`${from}/sub/odd\xff\n`, "latin1"), "x".repeat(700_000), { mode: 0o600 });
    fs.writeFileSync(join(from, "first"), "linked");
    fs.linkSync(join(from, "first"), join(from, "second"));
    fs.symlinkSync("../nowhere", join(from, "sub/link"));
    fs.utimesSync(join(from, "sub"), 5, 7.25);
    fs.mkdirSync(join(top, "to"));
    using root = openRoot(top);
    const done = await unpack(root, "/to", pack(root, "/from", { as: "copy" }), BARE);
    assert.equal(done.bytes, 700_006);
    const to = join(top, "to/copy");
    assert.equal(fs.statSync(join(to, "first")).ino, fs.statSync(join(to, "second")).ino);
    assert.equal(fs.readlinkSync(join(to, "sub/link")), "../nowhere");
    assert.equal(fs.statSync(join(to, "sub")).mtimeMs, 7250);
    assert.equal(fs.statSync(Buffer.from(`${to}/sub/odd\xff\n`, "latin1")).size, 700_000);
    assert.deepEqual(
      listDirectory(root, "/to/copy").map(({ name, type }) => [name, type]),
      [
        ["first", "file"],
        ["second", "file"],
        ["sub", "directory"],
      ],
    );
  });

  for (const keepHoles of [true, false])
    test(`holes stay holes, packed ${keepHoles ? "as such" : "as zeros"}`, async () => {
      const MIB = 1024 * 1024;
      const write = (name: string, size: number, ...runs: (readonly [at: number, text: string])[]) => {
        const fd = fs.openSync(join(top, "from", name), "w");
        for (const [at, text] of runs) fs.writeSync(fd, text, at);
        fs.ftruncateSync(fd, size);
        fs.closeSync(fd);
      };
      fs.mkdirSync(join(top, "from"));
      fs.mkdirSync(join(top, "to"));
      write("empty", 64 * MIB);
      write("middle", 9 * MIB + 5, [3 * MIB + 7, "in the middle"], [6 * MIB, "y".repeat(700_001)]);
      write("ends", 5 * MIB + 3, [0, "x"], [5 * MIB, "end"]);
      write("zeros", 100_000, [0, "\0".repeat(100_000)]);
      fs.writeFileSync(join(top, "from/whole"), "z".repeat(1_300_001));
      using root = openRoot(top);
      let packed = 0;
      const archive = async function* () {
        for await (const chunk of pack(root, "/from", { as: "copy", keepHoles })) {
          packed += chunk.length;
          yield chunk;
        }
      };
      await unpack(root, "/to", archive(), BARE);
      assert.equal(packed < 4 * MIB, keepHoles);
      for (const name of fs.readdirSync(join(top, "from"))) {
        const [was, is] = ["from", "to/copy"].map((dir) => join(top, dir, name)) as [string, string];
        assert.ok(fs.readFileSync(was).equals(fs.readFileSync(is)), name);
        assert.ok(fs.statSync(is).blocks <= fs.statSync(was).blocks, `${name} takes no more than it did`);
      }
    });

  test("a claimed size costs nothing: holes are passed over, and what cannot be is refused at once", async () => {
    const claiming = async function* (size: number, extents: TarHeaderFields["extents"] = []) {
      yield tarHeader({ path: "huge", type: "file", mode: 0o644, size, extents });
      for (const _ of extents) yield Buffer.alloc(512, "x");
      yield TAR_END;
    };
    using root = openRoot(top);
    await unpack(root, "/", claiming(2 ** 40, [{ offset: 2 ** 39, length: 512 }]), BARE);
    const { size, blocks } = fs.statSync(join(top, "huge"));
    assert.deepEqual([size, blocks < 64], [2 ** 40, true]);
    // tmpfs takes even that; ext4 ends at 16 TiB.
    const onTmpfs = fs.statfsSync(top).type === 0x01021994;
    const refused = assert.rejects(
      unpack(root, "/", claiming(2 ** 44), BARE),
      (error) => isPlyError(error, "limit") && /cannot write "huge": a file of \d+ bytes/.test(error.message),
    );
    await (onTmpfs ? undefined : refused);
  });

  test("sparse runs land where they belong, however the archive is cut", async () => {
    const extents = Array.from({ length: 40 }, (_, at) => ({ offset: at * 5000 + 7, length: 1024 }));
    const data = Buffer.concat(extents.map((_, at) => Buffer.alloc(1024, 0x41 + at)));
    const size = 300_001;
    const whole = Buffer.concat([
      tarHeader({ path: "runs", type: "file", mode: 0o644, size, extents }),
      data,
      tarHeader({ path: "after", type: "file", mode: 0o644, size: 1 }),
      Buffer.from("y"),
      tarPadding(1),
      TAR_END,
    ]);
    const expected = Buffer.alloc(size);
    for (const [at, { offset }] of extents.entries())
      data.copy(expected, offset, at * 1024, at * 1024 + 1024);
    using root = openRoot(top);
    for (const step of [333, 1024, 7000, whole.length]) {
      const cut = async function* () {
        for (let at = 0; at < whole.length; at += step) yield whole.subarray(at, at + step);
      };
      await unpack(root, "/", cut(), BARE);
      assert.ok(fs.readFileSync(join(top, "runs")).equals(expected), `in steps of ${step}`);
      assert.equal(fs.readFileSync(join(top, "after"), "utf8"), "y");
    }
  });

  test("what an archive puts in the place of a directory that it was writing to holds for what follows", async () => {
    using root = openRoot(top);
    const link = { type: "symlink", mode: 0o777 } as const;
    const into = archive(
      { path: "real/kept", data: "kept" },
      { path: "dir/a", data: "a" },
      { path: "dir", ...link, linkTarget: "real" },
      { path: "dir/b", data: "b" },
      { path: "dir", data: "" },
      { path: "real/c", data: "c" },
    );
    await unpack(root, "/", into, BARE);
    assert.deepEqual(fs.readdirSync(join(top, "real")).sort(), ["b", "c", "kept"]);
    assert.ok(fs.statSync(join(top, "dir")).isFile());
    const before = fs.readdirSync("/proc/self/fd").length;
    await assert.rejects(unpack(root, "/", archive({ path: "x/y" }, { path: "dir/z" }), BARE));
    assert.equal(fs.readdirSync("/proc/self/fd").length, before, "nothing stays open");
  });

  test("links lead about within the root, and are told by where they end", () => {
    fs.mkdirSync(join(top, "etc"));
    fs.writeFileSync(join(top, "etc/passwd"), "inside");
    fs.symlinkSync("/../../etc/passwd", join(top, "out"));
    fs.symlinkSync("/etc", join(top, "dir"));
    using root = openRoot(top);
    assert.equal(statPath(root, "/out").leadsTo, "/etc/passwd");
    assert.equal(statPath(root, "/dir").type, "symlink");
    assert.equal(statPath(root, "/dir/").type, "directory");
    assert.equal(statPath(root, "/dir/passwd").size, 6);
    assert.throws(
      () => statPath(root, "/dir/nothing"),
      (error) => isPlyError(error, "not-found") && error.details["missing"] === true,
    );
  });

  test("no name and no link of an archive reaches what is outside", async () => {
    using root = openRoot(top);
    const refused = (...members: Parameters<typeof archive>) =>
      assert.rejects(unpack(root, "/", archive(...members), BARE), (error) => isPlyError(error));
    await refused({ path: "../outside", data: "theirs" });
    await refused({ path: "h", type: "hardlink", linkTarget: "../outside" });
    await refused({ path: "l", type: "symlink", linkTarget: home }, { path: "l/outside", data: "theirs" });
    await unpack(
      root,
      "/",
      archive({ path: "up", type: "symlink", linkTarget: "../.." }, { path: "up/outside", data: "theirs" }),
      BARE,
    );
    assert.equal(fs.readFileSync(join(home, "outside"), "utf8"), "mine");
    assert.equal(fs.readFileSync(join(top, "outside"), "utf8"), "theirs");
  });

  test("where links are refused, none in the way is followed", async () => {
    fs.mkdirSync(join(top, "in"));
    fs.symlinkSync(home, join(top, "in/way"));
    using root = openRoot(top);
    const hostile = archive({ path: "way/outside", data: "theirs" });
    await assert.rejects(
      unpack(root, "/in", hostile, { ...BARE, links: "refuse" }),
      /symbolic link is in the way/,
    );
    assert.equal(fs.readFileSync(join(home, "outside"), "utf8"), "mine");
  });

  test("a directory that is replaced goes with all that is in it, links unfollowed; kinds are kept when asked", async () => {
    fs.mkdirSync(join(top, "d/deep"), { recursive: true });
    fs.symlinkSync(home, join(top, "d/deep/link"));
    using root = openRoot(top);
    const keep = { ...BARE, keepKinds: true };
    await assert.rejects(unpack(root, "/", archive({ path: "d" }), keep), /cannot overwrite directory "\/d"/);
    await unpack(root, "/", archive({ path: "d", data: "a file now" }), BARE);
    assert.equal(fs.readFileSync(join(top, "d"), "utf8"), "a file now");
    assert.equal(fs.readFileSync(join(home, "outside"), "utf8"), "mine");
    const directory = archive({ path: "d/", type: "directory", mode: 0o755 });
    await assert.rejects(unpack(root, "/", directory, keep), /cannot overwrite non-directory "\/d"/);
  });
});
