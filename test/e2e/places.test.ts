import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { unless } from "../support/needs.ts";
import { mountsUnder, type TestEngine } from "../support/ply.ts";
import { run } from "../support/process.ts";
import { openRoom, type TestRoom } from "../support/room.ts";
import { tarball } from "../support/tarball.ts";

const skip = unless("root");

describe("files of containers, images and volumes", { skip }, () => {
  let room: TestRoom;
  let engine: TestEngine;
  let scratch: string;

  before(async () => {
    room = await openRoom();
    ({ engine, scratch } = room);
  });
  after(() => room[Symbol.asyncDispose]());

  const text = async (...args: string[]): Promise<string> => (await engine.must(args)).stdout;
  const create = async (...args: string[]): Promise<string> =>
    (await text("create", "--network", "none", ...args)).trim();
  const put = (id: string, path: string, body: Uint8Array, more = "") =>
    fetch(`http://ply/containers/${id}/archive?path=${encodeURIComponent(path)}${more}`, {
      method: "PUT",
      unix: engine.socket,
      body: Buffer.from(body),
    });
  /** What a member of an archive of a path holds. */
  const readOut = async (from: string): Promise<string> => {
    const { bytes } = await engine.must(["cp", from, "-"]);
    return (await run("tar", ["-xOf", "-"], { stdin: bytes })).stdout;
  };

  test("a running container, its volumes and tmpfs included; the running process sees what came", async () => {
    const bind = join(scratch, "bind");
    mkdirSync(bind);
    writeFileSync(join(bind, "there"), "bound");
    const id = (
      await text(
        ...["run", "-d", "--network", "none", "-v", `${bind}:/bind`, "-v", "vol1:/vol", "--tmpfs", "/tmpfs"],
        ...[
          "bb:1",
          "sh",
          "-c",
          "while [ ! -e /tmpfs/go ]; do sleep 0.05; done; cat /vol/new > /bind/seen; sleep 100",
        ],
      )
    ).trim();
    writeFileSync(join(scratch, "new"), "for the volume");
    await text("cp", join(scratch, "new"), `${id}:/vol/`);
    assert.equal(await readOut(`${id}:/bind/there`), "bound");
    assert.equal(await readOut("vol1:/new"), "for the volume");
    await text("cp", join(scratch, "new"), `${id}:/tmpfs/go`);
    for (let tries = 0; tries < 200; tries++) {
      if ((await run("cat", [join(bind, "seen")])).stdout === "for the volume") break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(readFileSync(join(bind, "seen"), "utf8"), "for the volume");
    const exported = await engine.must(["export", id]);
    const names = (await run("tar", ["-tf", "-"], { stdin: exported.bytes })).stdout;
    assert.match(names, /^vol\/$/m);
    assert.doesNotMatch(names, /^vol\/new$|^bind\/there$|^tmpfs\/go$|^proc\/1/m);
    await text("rm", "-f", id);
  });

  test("a stopped container's volumes and binds too, read-only ones refused; nothing stays mounted", async () => {
    const bind = join(scratch, "bind2");
    mkdirSync(bind);
    writeFileSync(join(bind, "there"), "bound");
    writeFileSync(join(scratch, "x"), "x");
    const id = await create("-v", `${bind}:/a/bind:ro`, "-v", "vol2:/vol", "bb:1", "true");
    assert.equal(await readOut(`${id}:/a/bind/there`), "bound");
    const refused = await engine.ply(["cp", join(scratch, "x"), `${id}:/a/bind/`]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /marked read-only/);
    await text("cp", join(scratch, "x"), `${id}:/vol/x`);
    assert.match(await text("ls", "-q", "vol2:/"), /^x$/m);
    // A place made for a mount is no change of the container's.
    assert.doesNotMatch(await text("diff", id), /bind|vol/);
    await text("start", id);
    await text("wait", id);
    await text("rm", id);
    const readOnly = await create("--read-only", "-v", "vol2:/vol", "bb:1", "true");
    const rootfs = await engine.ply(["cp", join(scratch, "x"), `${readOnly}:/etc/`]);
    assert.match(rootfs.stderr, /container rootfs is marked read-only/);
    await text("cp", join(scratch, "x"), `${readOnly}:/vol/y`);
    await text("rm", readOnly);
  });

  test("out of an image, no container; never into one", async () => {
    await text("cp", "bb:1:/etc/passwd", join(scratch, "passwd"));
    assert.match(readFileSync(join(scratch, "passwd"), "utf8"), /^root:/);
    assert.match(await text("ls", "bb:1:/"), / etc$/m);
    assert.equal(await text("ps", "-aq"), "");
    const refused = await engine.ply(["cp", join(scratch, "passwd"), "bb:1:/etc/"]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /image bb:1 cannot be changed/);
    const nothing = await engine.ply(["cp", "nosuch:/x", scratch]);
    assert.match(nothing.stderr, /no container, image or volume is called nosuch/);
  });

  test("from container to container, into itself, and to a volume", async () => {
    const [one, two] = [await create("bb:1", "true"), await create("bb:1", "true")];
    mkdirSync(join(scratch, "tree/sub"), { recursive: true });
    writeFileSync(join(scratch, "tree/sub/leaf"), "leaf", { mode: 0o751 });
    await text("cp", join(scratch, "tree"), `${one}:/tree`);
    await text("cp", `${one}:/tree`, `${two}:/renamed`);
    assert.equal(await readOut(`${two}:/renamed/sub/leaf`), "leaf");
    await text("cp", `${two}:/renamed`, `${two}:/again`);
    assert.equal(await readOut(`${two}:/again/sub/leaf`), "leaf");
    await text("volume", "create", "vol3");
    await text("cp", `${two}:/again/.`, "vol3:/");
    assert.match(await text("ls", "vol3:/sub"), /^-rwxr-x--x\s+0:0.* leaf$/m);
    await text("rm", one, two);
  });

  test("diff --detail says what changed", async () => {
    const image = tarball([
      { name: "grown", data: "1", mtime: 1 },
      { name: "touched", data: "same", mtime: 1 },
      { name: "edited", data: "aaaa", mtime: 1 },
      { name: "chmodded", data: "1", mtime: 1 },
      { name: "gone", data: "12345", mtime: 1 },
      { name: "link", type: "2", link: "a", mtime: 1 },
    ]);
    await engine.must(["import", "-c", 'CMD ["x"]', "-", "detail:1"], { stdin: image });
    const id = await create("detail:1");
    const changed = tarball([
      { name: "grown", data: "123", mtime: 2 },
      { name: "touched", data: "same", mtime: 2 },
      { name: "edited", data: "bbbb", mtime: 2 },
      { name: "chmodded", data: "1", mtime: 1, mode: 0o755, uid: 7 },
      { name: "link", type: "2", link: "b", mtime: 1 },
      { name: "new", data: "n", mtime: 1 },
    ]);
    assert.equal((await put(id, "/", changed)).status, 200);
    const shown = await text(
      "diff",
      "-d",
      "--format",
      "{{.Type}} {{.What}} {{.Before}} {{.After}} {{.Path}}",
      id,
    );
    assert.deepEqual(shown.trim().split("\n"), [
      "C mode,owner 1B 1B /chmodded",
      "C content,time 4B 4B /edited",
      "C content,time 1B 3B /grown",
      "C link - - /link",
      "A - - 1B /new",
      "C time 4B 4B /touched",
    ]);
    await text("rm", id);
  });

  test("gzip and zstd bodies; ids of the container's user with copyUIDGID; kinds are kept when asked", async () => {
    const id = await create("-u", "65534:65534", "bb:1", "true");
    const tar = tarball([{ name: "packed", data: "p", uid: 3, gid: 4 }]);
    for (const [body, more, owner] of [
      [gzipSync(tar), "", "3:4"],
      [zstdCompressSync(tar), "&copyUIDGID=1", "65534:65534"],
    ] as const) {
      assert.equal((await put(id, "/", body, more)).status, 200);
      assert.match(await text("ls", `${id}:/packed`), new RegExp(`${owner} .*packed`));
    }
    const asDirectory = tarball([{ name: "packed/", type: "5" }]);
    const refused = await put(id, "/", asDirectory, "&noOverwriteDirNonDir=true");
    assert.equal(refused.status, 400);
    assert.match(await refused.text(), /cannot overwrite non-directory/);
    assert.equal((await put(id, "/", asDirectory)).status, 200);
    await text("rm", id);
  });

  test("hostile archives stay within the root", async () => {
    const outside = join(scratch, "outside");
    writeFileSync(outside, "mine");
    const id = await create("bb:1", "true");
    const climbing = await put(id, "/etc", tarball([{ name: "../../../../../../tmp/escaped", data: "x" }]));
    assert.equal(climbing.status, 400);
    assert.match(await climbing.text(), /is outside of/);
    const linked = tarball([
      { name: "l", type: "2", link: scratch },
      { name: "l/outside", data: "theirs" },
    ]);
    assert.notEqual((await put(id, "/", linked)).status, 200);
    const inner = tarball([
      { name: "up", type: "2", link: "../../../../../../../../../../.." },
      { name: "up/through", data: "inside" },
    ]);
    assert.equal((await put(id, "/etc", inner)).status, 200);
    assert.equal(await readOut(`${id}:/through`), "inside");
    assert.equal(await readOut(`${id}:/etc/up/through`), "inside");
    const hard = await put(id, "/", tarball([{ name: "h", type: "1", link: `..${outside}` }]));
    assert.equal(hard.status, 400);
    const devices = await put(
      id,
      "/",
      tarball([{ name: "null", type: "3", major: 1, minor: 3, mode: 0o666 }]),
    );
    assert.equal(devices.status, 200);
    assert.match(await text("ls", `${id}:/null`), /^crw-rw-rw-/m);
    assert.notEqual((await put(id, "/", Buffer.alloc(4096, 0x41))).status, 200);
    assert.notEqual((await put(id, "/", tarball([{ name: "n".repeat(5000), data: "" }]))).status, 200);
    assert.equal(readFileSync(outside, "utf8"), "mine");
    // A hostile container's files on their way to this host.
    const into = join(scratch, "into");
    mkdirSync(into);
    symlinkSync(scratch, join(into, "way"));
    await engine.must(["cp", "-", `${id}:/etc`], {
      stdin: tarball([{ name: "evil/way/outside", data: "theirs" }]),
    });
    const refused = await engine.ply(["cp", `${id}:/etc/evil/.`, into]);
    assert.equal(refused.code, 1);
    assert.equal(readFileSync(outside, "utf8"), "mine");
    await text("rm", id);
  });

  test("a container that swaps a directory and a link never leads a copy out of its root", async () => {
    const secret = join(scratch, "secret");
    mkdirSync(secret);
    writeFileSync(join(secret, "file"), "of the host");
    const id = (
      await text(
        ...["run", "-d", "--network", "none", "bb:1", "sh", "-c"],
        `mkdir -p /d /x${secret}; echo inside > /d/file; while :; do mv /d /e; ln -s ${secret} /d; rm /d; mv /e /d; done`,
      )
    ).trim();
    for (let round = 0; round < 60; round++) {
      const { stdout } = await engine.ply(["cp", `${id}:/d/file`, "-"]);
      assert.doesNotMatch(stdout, /of the host/);
      await put(id, "/d", tarball([{ name: "file", data: "inside" }]));
    }
    assert.equal(readFileSync(join(secret, "file"), "utf8"), "of the host");
    assert.equal(statSync(join(secret, "file")).size, 11);
    await text("rm", "-f", id);
  });

  test("an engine that ends in the middle of a copy leaves no mount, and what was mounted is whole", async () => {
    const bind = join(scratch, "big");
    mkdirSync(bind);
    writeFileSync(join(bind, "file"), Buffer.alloc(32 * 1024 * 1024));
    const id = await create("-v", `${bind}:/big`, "-v", "kept:/vol", "bb:1", "true");
    await engine.must(["cp", "-", `${id}:/vol`], { stdin: tarball([{ name: "keep", data: "kept" }]) });
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      const slow = connect(engine.socket);
      slow.on("error", () => {});
      slow.write(`GET /containers/${id}/archive?path=/big HTTP/1.1\r\nHost: ply\r\n\r\n`);
      await new Promise((resolve) => slow.once("readable", resolve));
      assert.notDeepEqual(mountsUnder(engine.root), []);
      // Who only wants to know does not wait for the copy.
      assert.match(await text("ps", "-as"), /bb:1/);
      await engine.restart(signal);
      slow.destroy();
      assert.deepEqual(mountsUnder(engine.root), []);
    }
    assert.equal(statSync(join(bind, "file")).size, 32 * 1024 * 1024);
    assert.equal(await readOut("kept:/keep"), "kept");
    assert.equal(await text("diff", id), "");
    await text("start", id);
    await text("wait", id);
    await text("rm", id);
  });

  test("port says nothing for a container without ports", async () => {
    const id = await create("bb:1", "true");
    assert.equal(await text("port", id), "");
    const wanted = await engine.ply(["port", id, "80"]);
    assert.equal(wanted.code, 1);
    assert.match(wanted.stderr, /no public port '80\/tcp' published/);
    await text("rm", id);
  });
});
