import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { readInRoot, resolveInRoot } from "./root-path.ts";
import { resolveUser } from "./user.ts";

describe("inside an image's root", () => {
  let root = "";
  before(() => {
    root = mkdtempSync(join(tmpdir(), "ply-root-"));
    mkdirSync(join(root, "etc"));
    writeFileSync(
      join(root, "etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\n#c:x:9:9::/:\nply:x:1000:100::/home/ply:/bin/sh\n42:x:7:7::/seven:\nbad:x:many:1::/:\nshort:x\n",
    );
    writeFileSync(
      join(root, "etc/group"),
      "root:x:0:\nusers:x:100:\ntape:x:26:other,ply\nwheel:x:10:root,ply\n",
    );
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  test("users by name and number, with their groups and home", async () => {
    const of = (user: string) => resolveUser(root, user);
    assert.deepEqual(await of(""), { uid: 0, gid: 0, additionalGids: [0, 10], home: "/root" });
    const ply = { uid: 1000, gid: 100, additionalGids: [100, 26, 10], home: "/home/ply" };
    assert.deepEqual(await of("ply"), ply);
    assert.deepEqual(await of("1000"), ply);
    assert.deepEqual(await of("ply:tape"), { uid: 1000, gid: 26, additionalGids: [26], home: "/home/ply" });
    assert.deepEqual(await of("5000"), { uid: 5000, gid: 0, additionalGids: [0], home: "/" });
    assert.deepEqual(await of("5000:6000"), { uid: 5000, gid: 6000, additionalGids: [6000], home: "/" });
    assert.equal((await of("42")).uid, 7, "a name of digits is a name");
    await assert.rejects(of("ghost"), /unable to find user ghost: no matching entries in passwd file/);
    await assert.rejects(of("ply:ghosts"), /unable to find group ghosts: no matching entries in group file/);
    for (const user of ["bad", "99999999999", "-1", "4294967295"])
      await assert.rejects(of(user), (error) => isPlyError(error, "invalid"), user);
  });

  test("links are followed as inside, and never out", () => {
    const links = {
      abs: "/etc",
      up: "../../../../etc/passwd",
      chain: "abs/passwd",
      loop: "loop2",
      loop2: "loop",
    };
    for (const [name, target] of Object.entries(links)) symlinkSync(target, join(root, name));
    symlinkSync("/", join(root, "etc/top"));
    const at = (path: string) => resolveInRoot(root, path);
    assert.equal(at("/abs/passwd"), join(root, "etc/passwd"));
    assert.equal(at("up"), join(root, "etc/passwd"));
    assert.equal(at("chain"), join(root, "etc/passwd"));
    assert.equal(at("/etc/top/abs/top/../../etc/./new/file"), join(root, "etc/new/file"));
    assert.equal(at("/../../.."), root);
    assert.equal(at(""), root);
    assert.throws(
      () => at("loop"),
      (error) => isPlyError(error, "invalid"),
    );
  });

  test("only regular files are read, up to a bound", async () => {
    assert.match(readInRoot(root, "/etc/passwd", 1000), /^root:/);
    assert.equal(readInRoot(root, "/etc", 1000), "");
    assert.equal(readInRoot(root, "/absent", 1000), "");
    execFileSync("mkfifo", [join(root, "etc/fifo")]);
    assert.equal(readInRoot(root, "/etc/fifo", 1000), "");
    assert.throws(
      () => readInRoot(root, "/etc/passwd", 10),
      (error) => isPlyError(error, "limit"),
    );
  });
});
