import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { PlyCacheMount } from "../../src/wire/index.ts";
import { type BuildRoom, openBuildRoom, printedBySteps } from "../support/build-room.ts";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, startEngine, type TestEngine } from "../support/ply.ts";
import { exited, until } from "../support/process.ts";
import { type Member, tarball } from "../support/tarball.ts";

describe("caches of RUN --mount=type=cache", { skip: unless("root") }, () => {
  let room: BuildRoom;
  let engine: TestEngine;
  let work: string;
  let contextOf: BuildRoom["contextOf"];

  before(async () => {
    room = await openBuildRoom();
    ({ engine, work, contextOf } = room);
  });
  after(() => room[Symbol.asyncDispose]());

  /** Runs lines over busybox, never from the cache; what they print. */
  const steps = async (lines: string, flags: readonly string[] = [], on = engine): Promise<string> => {
    const args = ["build", "--no-cache", "--network", "none", "--progress", "plain", ...flags];
    const { stderr } = await on.must([...args, contextOf(`FROM bb:1\n${lines}`)]);
    return printedBySteps(stderr).join("\n");
  };
  const caches = async (...names: string[]): Promise<PlyCacheMount[]> => {
    const query = names.map((name) => `name=${encodeURIComponent(name)}`).join("&");
    return JSON.parse((await engine.request("GET", `/ply/cache?${query}`)).text) as PlyCacheMount[];
  };
  const one = async (name: string): Promise<PlyCacheMount> => {
    const [found, ...others] = await caches(name);
    assert.ok(found !== undefined && others.length === 0, `${others.length + 1} caches are called ${name}`);
    return found;
  };
  const directories = (): string[] => readdirSync(join(engine.root, "build/cache")).sort();
  const importing = (archive: Uint8Array, ...args: string[]) =>
    engine.ply(["cache", "import", ...args, "-"], { stdin: archive });

  test("what tells one from another, and what is shown of them", async () => {
    const text = await steps(
      `RUN --mount=type=cache,target=/a/ stat -c '%a %u:%g' /a && echo 12345 > /a/f && mkdir /a/d && echo 1 > /a/d/g
WORKDIR /w
RUN --mount=type=cache,target=rel,id= test ! -e /w/rel/f && pwd
RUN --mount=type=cache,target=/b,id=/a cat /b/f
RUN --mount=type=cache,target=/b,id=/a,uid=7,gid=8,mode=0700 stat -c '%a %u:%g' /b && test ! -e /b/f
RUN --mount=type=cache,target=/b,id=/a,ro ! touch /b/x 2>/dev/null && cat /b/f`,
    );
    assert.equal(text, "755 0:0\n/w\n12345\n700 7:8\n12345");
    const [first, owned] = (await caches("/a")).sort((a, b) => a.uid - b.uid);
    assert.ok(first !== undefined && owned !== undefined);
    assert.deepEqual([first.targets, first.size, first.files, first.useCount], [["/b", "/a"], 8, 2, 3]);
    assert.match(first.step, /^RUN --mount=type=cache,target=\/b,id=\/a,ro/);
    assert.deepEqual([owned.gid, owned.mode, owned.inUse, owned.sharing], [8, 0o700, false, "shared"]);
    assert.deepEqual((await one("rel")).targets, ["/w/rel"]);
    // Another namespace is another cache; another beginning too.
    const namespaced = await steps("RUN --mount=type=cache,target=/a test ! -e /a/f", [
      "--build-arg",
      "BUILDKIT_CACHE_MOUNT_NS=team",
    ]);
    assert.equal(namespaced, "");
    assert.equal((await one("team//a")).files, 0);
    const begun = "RUN --mount=type=cache,target=/c,from=seed,source=/s";
    const withSeed = async (word: string) => {
      const file = `FROM bb:1 AS seed\nRUN mkdir /s && echo ${word} > /s/x && chown -R 5:6 /s\nFROM bb:1\n${begun} cat /c/x; stat -c %u:%g /c/x; rm /c/x\n${begun} ls /c\n`;
      const { stderr } = await engine.must([
        "build",
        "--network",
        "none",
        "--progress",
        "plain",
        contextOf(file),
      ]);
      return printedBySteps(stderr);
    };
    assert.deepEqual(await withSeed("one"), ["one", "5:6"]);
    assert.deepEqual(await withSeed("two"), ["two", "5:6"]);
    assert.equal((await caches("/c")).length, 2);
    const { stdout } = await engine.must([
      "cache",
      "ls",
      "--format",
      "{{.ID}} {{.Size}} {{.Files}} {{.InUse}}",
      first.key,
    ]);
    assert.equal(stdout, "/a 8B 2 no\n");
    assert.match((await engine.ply(["cache", "inspect", "nope"])).stderr, /no such cache: nope/);
  });

  test("sharing: together, one each, one after the other; what is in use is not taken away", async () => {
    const waiting = (sharing: string, name: string) =>
      steps(
        `RUN --mount=type=cache,target=/c,id=${sharing},sharing=${sharing} touch /c/${name} && until [ -e /c/go ]; do sleep 0.02; done; ls /c`,
      );
    /** The copies of a cache, when steps in that many have begun. */
    const inUse = (id: string, count: number): Promise<PlyCacheMount[]> =>
      until(`${count} of ${id} are in use`, async () => {
        const { status, text } = await engine.request("GET", `/ply/cache?name=${id}`);
        const found = status === 200 ? (JSON.parse(text) as PlyCacheMount[]) : [];
        return found.filter((each) => each.inUse && each.files > 0).length === count && found;
      });
    const go = (): void => {
      for (const name of directories()) {
        const path = join(engine.root, "build/cache", name);
        if (!existsSync(join(path, "go")) && readdirSync(path).some((file) => file.length === 1))
          writeFileSync(join(path, "go"), "");
      }
    };
    const together = [waiting("shared", "1"), waiting("shared", "2")];
    await until("both are there", async () => (await inUse("shared", 1))[0]?.files === 2);
    for (const args of [
      ["cache", "rm", "shared"],
      ["cache", "import", "--id", "shared", "-"],
    ]) {
      const refused = await engine.ply(args, { stdin: tarball([{ name: "x", data: "" }]) });
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /the cache shared is in use by a build/);
    }
    assert.match(
      (await engine.must(["cache", "prune", "-f", "--filter", "id=shared"])).stdout,
      /^Total.* 0B/,
    );
    go();
    assert.deepEqual(await Promise.all(together), ["1\n2\ngo", "1\n2\ngo"]);

    const apart = [waiting("private", "1"), waiting("private", "2")];
    await inUse("private", 2);
    go();
    assert.deepEqual((await Promise.all(apart)).sort(), ["1\ngo", "2\ngo"]);
    assert.deepEqual(
      (await caches("private")).map(({ copy }) => copy),
      [1, 2],
    );

    const inTurn = [waiting("locked", "1"), waiting("locked", "2")];
    const [held] = await inUse("locked", 1);
    assert.equal(held?.files, 1);
    go();
    const said = (await Promise.all(inTurn)).sort((a, b) => a.length - b.length);
    assert.match(said[0] ?? "", /^[12]\ngo$/);
    assert.equal(said[1], "1\n2\ngo");
    assert.equal((await caches("locked")).length, 1);
  });

  test("from one machine to another: everything kept; replaced, merged, under another id, from any archive", async () => {
    await steps(`RUN --mount=type=cache,target=/m,id=moved,uid=3,mode=0750 cd /m && mkdir d && echo one > d/f && ln d/f d/hard && ln -s ../x link \\
 && chown 4:5 d/f && chmod 4711 d/f && touch -d @1000000000 d/f && touch -d @1100000000 d && mkfifo pipe && mknod dev c 1 3`);
    const file = join(work, "moved.tar.gz");
    await engine.must(["cache", "export", "moved", "-o", file]);
    assert.equal(readFileSync(file).readUInt16BE(), 0x1f8b);
    await engine.must(["cache", "export", "--all", "-o", join(work, "all.tar.zst")]);
    assert.equal(readFileSync(join(work, "all.tar.zst")).readUInt32BE(), 0x28b52ffd);
    const look =
      "RUN --mount=type=cache,target=/m,id=moved,uid=3,mode=0750 cd /m && stat -c '%n %a %u:%g %Y %h' d d/f; cat d/hard; readlink link; ls";
    const expected = "d 755 0:0 1100000000 2\nd/f 4711 4:5 1000000000 2\none\n../x\nd\nlink\npipe";
    const other = await startEngine();
    try {
      await importBusybox(other);
      const { stdout } = await other.must(["cache", "import", file]);
      assert.equal(stdout, "moved: 1 file, 4B\n");
      assert.equal(await steps(look, [], other), expected);
      const piped = await engine.must(["cache", "export", "--all"]);
      await other.must(["cache", "import", "-"], { stdin: piped.bytes });
      assert.equal(
        (await other.must(["cache", "ls", "-q"])).stdout,
        (await engine.must(["cache", "ls", "-q"])).stdout,
      );
    } finally {
      await other[Symbol.asyncDispose]();
    }
    const { key } = await one("moved");
    await steps(
      "RUN --mount=type=cache,target=/m,id=moved,uid=3,mode=0750 echo two > /m/d/f; mkdir /m/e && echo own > /m/e/own; touch -d @5 /m/e",
    );
    assert.equal((await importing(readFileSync(file), "--merge")).code, 0);
    assert.equal(
      await steps(`${look}; cat e/own; stat -c %Y e`),
      expected.replace("\npipe", "\npipe\nown\n5").replace("\nd\nlink", "\nd\ndev\ne\nlink"),
    );
    assert.equal((await importing(readFileSync(file))).code, 0);
    assert.equal(await steps(look), expected);
    assert.equal((await one("moved")).key, key);
    assert.equal((await importing(readFileSync(file), "--id", "elsewhere")).code, 0);
    assert.deepEqual([(await one("elsewhere")).files, (await one("elsewhere")).uid], [1, 3]);
    const several = await importing((await engine.must(["cache", "export", "--all"])).bytes, "--id", "x");
    assert.match(several.stderr, /the archive has \d+ caches \(.*\), which keep their ids/);
    const plain = tarball([
      { name: "./", type: "5" },
      { name: "./n/x", data: "plain\n" },
    ]);
    assert.match((await importing(plain)).stderr, /does not say which cache it is[\s\S]*--id/);
    assert.equal((await importing(plain, "--id", "/root/.npm")).code, 0);
    assert.equal(await steps("RUN --mount=type=cache,target=/root/.npm cat /root/.npm/n/x"), "plain");
    assert.match((await engine.ply(["cache", "export"])).stderr, /name caches, or give --all/);
  });

  test("hostile and broken archives change nothing, neither the cache nor the host", async () => {
    await steps("RUN --mount=type=cache,target=/h,id=kept echo kept > /h/f");
    const outside = join(work, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "target"), "safe");
    const list = (caches: readonly unknown[]): Member => ({
      name: "ply-cache.json",
      data: JSON.stringify({ version: 1, caches }),
    });
    const told = {
      id: "kept",
      uid: 0,
      gid: 0,
      mode: 0o755,
      copy: 1,
      targets: [],
      step: "",
      sharing: "shared",
      createdAt: 1,
    };
    const evil: (readonly [what: string, members: readonly Member[], error: RegExp])[] = [
      ["a name that climbs", [{ name: "../../evil", data: "x" }], /outside of/],
      [
        "a link in the way",
        [
          { name: "l", type: "2", link: outside },
          { name: "l/evil", data: "x" },
        ],
        /cannot write .*(link|not a directory)/,
      ],
      ["a hard link out", [{ name: "h", type: "1", link: "../../../../outside/target" }], /outside of/],
      [
        "a hard link through a link",
        [
          { name: "l", type: "2", link: outside },
          { name: "h", type: "1", link: "l/target" },
        ],
        /cannot write/,
      ],
      ["no directory for it", [list([told])], /no directory 1 for the cache kept/],
      ["a link as its directory", [list([told]), { name: "1", type: "2", link: outside }], /no directory 1/],
      ["nonsense told", [list([{ ...told, id: 7 }]), { name: "1/", type: "5" }], /id/],
      ["another version", [{ name: "ply-cache.json", data: '{"version":9}' }], /version is 9/],
    ];
    const before = directories();
    for (const [what, members, error] of evil) {
      const own = members[0]?.name === "ply-cache.json";
      const ran = await importing(tarball(members), ...(own ? [] : ["--id", "kept"]));
      assert.equal(ran.code, 1, what);
      assert.match(ran.stderr, error, what);
    }
    const cut = tarball([
      list([told]),
      { name: "1/", type: "5" },
      { name: "1/f", data: "x".repeat(9000) },
    ]).subarray(0, 5000);
    assert.equal((await importing(cut)).code, 1);
    assert.deepEqual(directories(), before);
    // What is absolute lies within, devices are left out.
    const odd: Member[] = [
      { name: "/abs/f", data: "a" },
      { name: "null", type: "3", major: 1, minor: 3 },
      { name: "out", type: "2", link: outside },
    ];
    assert.equal((await importing(tarball(odd), "--id", "odd")).code, 0);
    assert.equal(
      await steps("RUN --mount=type=cache,target=/h,id=odd find /h | sort"),
      "/h\n/h/abs\n/h/abs/f\n/h/out",
    );
    assert.deepEqual(readdirSync(outside), ["target"]);
    assert.equal(readFileSync(join(outside, "target"), "utf8"), "safe");
    assert.equal(await steps("RUN --mount=type=cache,target=/h,id=kept cat /h/f"), "kept");
  });

  test("an import that is killed in the middle leaves what was", async () => {
    const { files } = await one("kept");
    const before = directories();
    // Half an archive, and the connection stays open.
    const sending = request({ socketPath: engine.socket, method: "POST", path: "/ply/cache/import?id=kept" });
    sending.on("error", () => undefined);
    sending.write(tarball([{ name: "new", data: "n".repeat(100_000) }]).subarray(0, 50_000));
    await until("it is being unpacked", () => directories().length > before.length);
    await engine.restart("SIGKILL");
    sending.destroy();
    await until("what was begun is gone", () => directories().length === before.length);
    assert.deepEqual(directories(), before);
    assert.equal((await one("kept")).files, files);
    // A client that goes away is the same.
    const client = spawn(PLY_BINARY, ["cache", "import", "--id", "kept", "-"], {
      env: { ...process.env, PLY_HOST: engine.host },
    });
    client.stdin.on("error", () => undefined);
    client.stdin.write(tarball([{ name: "new", data: "n".repeat(100_000) }]).subarray(0, 50_000));
    await until("it is being unpacked", () => directories().length > before.length);
    client.kill("SIGINT");
    await exited(client);
    await until("what was begun is gone", () => directories().length === before.length);
    assert.equal((await one("kept")).files, files);
  });

  test("rm by id and key, prune by age", async () => {
    await steps(
      "RUN --mount=type=cache,target=/r,id=rid true\nRUN --mount=type=cache,target=/r,id=rid,uid=9 true",
    );
    const [first] = await caches("rid");
    await engine.must(["cache", "rm", first?.key.slice(0, 12) ?? ""]);
    assert.equal((await caches("rid")).length, 1);
    await engine.must(["cache", "rm", "rid"]);
    assert.match((await engine.ply(["cache", "rm", "rid"])).stderr, /no such cache: rid/);
    assert.match(
      (await engine.must(["cache", "prune", "-f", "--filter", "until=24h"])).stdout,
      /^Total reclaimed space: 0B$/m,
    );
    assert.match((await engine.must(["cache", "prune"], { stdin: "n\n" })).stdout, /Nothing was removed/);
    assert.match((await engine.must(["cache", "prune", "-f"])).stdout, /Deleted Caches:\n[\s\S]*kept\n/);
    assert.deepEqual([directories(), (await caches()).length], [[], 0]);
  });
});
