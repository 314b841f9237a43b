import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unless } from "../support/needs.ts";
import { mountsUnder, type TestEngine } from "../support/ply.ts";
import { run, until } from "../support/process.ts";
import { openRoom, type TestRoom } from "../support/room.ts";

const skip = unless("root");

describe("what containers have mounted", { skip }, () => {
  let room: TestRoom;
  let engine: TestEngine;
  let scratch: string;
  before(async () => {
    room = await openRoom();
    ({ engine, scratch } = room);
  });
  after(() => room[Symbol.asyncDispose]());

  const text = async (...args: string[]): Promise<string> => (await engine.must(args)).stdout.trim();
  const sh = (flags: readonly string[], script: string): Promise<string> =>
    text("run", "--rm", "--network", "none", ...flags, "bb:1", "sh", "-ec", script);
  const refused = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await engine.ply(["run", "--rm", "--network", "none", ...args, "bb:1", "true"]);
    assert.notEqual(code, 0, args.join(" "));
    return stderr;
  };
  const mounted = (name: string): boolean =>
    mountsUnder(engine.root).includes(join(engine.root, "volumes", name, "_data"));

  test("the files of another image, whole or in part, which stays while they are used", async () => {
    await text("create", "--name", "source", "--network", "none", "bb:1", "sh");
    const there = join(scratch, "lib");
    mkdirSync(join(there, "deep"), { recursive: true });
    writeFileSync(join(there, "deep/file"), "from an image");
    await text("cp", there, "source:/");
    await text("commit", "source", "lib:1");
    await text("rm", "source");
    assert.equal(
      await sh(["--mount", "type=image,source=lib:1,target=/mnt"], "cat /mnt/lib/deep/file"),
      "from an image",
    );
    assert.equal(
      await sh(["--mount", "type=image,src=lib:1,dst=/m,image-subpath=lib/deep"], "ls /m"),
      "file",
    );
    assert.equal(
      await sh(["--mount", "type=image,src=lib:1,dst=/f,image-subpath=lib/deep/file"], "cat /f"),
      "from an image",
    );
    assert.match(
      await sh(["--mount", "type=image,source=lib:1,target=/mnt"], "echo x > /mnt/x || echo no"),
      /no/,
    );
    assert.match(
      await refused("--mount", "type=image,source=nosuch:1,target=/m"),
      /invalid mount config for type "image": No such image: nosuch:1/,
    );
    assert.match(
      await refused("--mount", "type=image,source=lib:1,target=/m,image-subpath=../etc"),
      /subpath must be a relative path within the image/,
    );
    assert.match(
      await refused("--mount", "type=image,source=lib:1,target=/m,image-subpath=nowhere"),
      /cannot access path nowhere of image lib:1: no such file/,
    );
    // Its name may go; the files stay as long as a container needs them, over an engine that was killed too.
    await text(
      ...[
        "run",
        "-d",
        "--name",
        "user",
        "--network",
        "none",
        "--mount",
        "type=image,source=lib:1,target=/mnt",
      ],
      "bb:1",
      "sleep",
      "1000",
    );
    const shown = JSON.parse(await text("inspect", "-f", "{{json .Mounts}}", "user"));
    assert.deepEqual(
      shown.map((mount: Record<string, unknown>) => [
        mount["Type"],
        mount["Source"],
        mount["Destination"],
        mount["RW"],
      ]),
      [["image", "lib:1", "/mnt", false]],
    );
    await engine.restart("SIGKILL");
    await text("rmi", "-f", "lib:1");
    await text("image", "prune", "-af");
    assert.equal(await text("exec", "user", "cat", "/mnt/lib/deep/file"), "from an image");
    await text("restart", "-t", "0", "user");
    assert.equal(await text("exec", "user", "cat", "/mnt/lib/deep/file"), "from an image");
    const { bytes } = await engine.must(["cp", "user:/mnt/lib/deep/file", "-"]);
    assert.equal((await run("tar", ["-xOf", "-"], { stdin: bytes })).stdout, "from an image");
    await text("rm", "-f", "user");
  });

  test("volumes that are mounted: at the first use, until the last, over a killed engine", async () => {
    await text("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=7", "mem");
    assert.equal(
      await text("volume", "inspect", "-f", "{{json .Options}}", "mem"),
      '{"type":"tmpfs","device":"tmpfs","o":"size=1m,uid=7"}',
    );
    assert.equal(mounted("mem"), false);
    const start = (name: string) =>
      text("run", "-d", "--name", name, "--network", "none", "-v", "mem:/m", "bb:1", "sleep", "1000");
    await start("first");
    await text("exec", "first", "sh", "-c", "echo shared > /m/f; stat -c %u /m");
    await start("second");
    assert.equal(await text("exec", "second", "cat", "/m/f"), "shared");
    assert.equal(await text("exec", "second", "stat", "-c", "%u", "/m"), "7");
    assert.ok(mounted("mem"));
    await text("rm", "-f", "first");
    await engine.restart("SIGKILL");
    assert.ok(mounted("mem"));
    assert.equal(await sh(["-v", "mem:/m"], "cat /m/f"), "shared");
    await text("kill", "second");
    await until("nobody uses it", async () => !mounted("mem"));
    await text("start", "second");
    assert.equal(await text("exec", "second", "sh", "-c", "ls /m | wc -l"), "0");
    // An engine that finds nobody using it unmounts it.
    const pid = Number(await text("inspect", "-f", "{{.State.Pid}}", "second"));
    await engine.kill("SIGKILL");
    process.kill(pid, "SIGKILL");
    await engine.start();
    await until(
      "the container is gone",
      async () => (await text("inspect", "-f", "{{.State.Running}}", "second")) === "false",
    );
    await until("it is unmounted", async () => !mounted("mem"));
    await text("rm", "second");
    await text("volume", "rm", "mem");
  });

  test("volumes that are directories of this host, and what cannot be mounted", async () => {
    const host = join(scratch, "host");
    mkdirSync(host);
    writeFileSync(join(host, "mine"), "kept");
    const bind = (name: string, device: string) =>
      text("volume", "create", "-o", "type=none", "-o", `device=${device}`, "-o", "o=bind", name);
    await bind("here", host);
    assert.equal(await sh(["-v", "here:/h"], "cat /h/mine; echo new > /h/new"), "kept");
    assert.equal(readFileSync(join(host, "new"), "utf8"), "new\n");
    await text("cp", "/etc/hostname", "here:/copied");
    assert.ok(existsSync(join(host, "copied")));
    // What is somebody else's stays when the volume goes.
    await text("volume", "rm", "here");
    assert.equal(readFileSync(join(host, "mine"), "utf8"), "kept");
    await bind("lost", "/nonexistent/x");
    const path = join(engine.root, "volumes/lost/_data");
    assert.ok(
      (await refused("-v", "lost:/x")).includes(
        `error while mounting volume '${path}': failed to mount local volume: mount /nonexistent/x:${path}, flags: 0x1000: no such file or directory`,
      ),
    );
    await text("volume", "create", "-o", "type=nfs", "-o", "device=:/x", "-o", "o=addr=127.0.0.1,rw", "far");
    assert.match(
      await refused("-v", "far:/x"),
      /failed to mount local volume: mount :\/x:\S+\/far\/_data, data: addr=127.0.0.1,rw: \S/,
    );
    assert.match(
      (await engine.ply(["volume", "create", "-o", "foo=bar", "v1"])).stderr,
      /create v1: invalid option: "foo"/,
    );
    const made =
      "type=volume,source=by-mount,target=/m,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-label=a=b";
    assert.match(await sh(["--mount", made], "grep ' /m ' /proc/mounts"), /^tmpfs \/m tmpfs/);
    assert.equal(await text("volume", "ls", "-q", "--filter", "label=a=b"), "by-mount");
    await text("volume", "rm", "lost", "far", "by-mount");
  });

  test("one in another, single files, parts of volumes, and the words of docker when it cannot be", async () => {
    const dir = join(scratch, "outer");
    mkdirSync(join(dir, "inner"), { recursive: true });
    writeFileSync(join(dir, "f"), "outer");
    const file = join(scratch, "single");
    writeFileSync(file, "single");
    // Whatever their order, what lies deeper is mounted later.
    const nested = ["-v", `${file}:/o/f`, "-v", "nested:/o/inner", "-v", `${dir}:/o`];
    assert.equal(
      await sh(nested, "echo in > /o/inner/x; cat /o/f; ls /o"),
      "single\nf\ninner".replace("single\n", "single"),
    );
    assert.equal(readFileSync(join(dir, "f"), "utf8"), "outer");
    assert.match(await sh(["-v", `${file}:/f:ro`], "cat /f; echo x > /f || echo no"), /single.*no/s);
    assert.equal(await sh(["--mount", "type=volume,src=nested,dst=/n,volume-subpath=x"], "cat /n"), "in");
    assert.match(
      await refused("--mount", "type=volume,src=nested,dst=/n,volume-subpath=../../x"),
      /subpath must be a relative path within the volume/,
    );
    assert.match(
      await refused("--mount", "type=volume,src=nested,dst=/n,volume-subpath=none"),
      /cannot access path none of volume nested/,
    );
    // A missing source is made by -v, and an error for --mount.
    await sh(["-v", `${scratch}/made/by:/x`], "test -d /x");
    assert.ok(existsSync(join(scratch, "made/by")));
    assert.match(
      await refused("--mount", `type=bind,src=${scratch}/absent,dst=/x`),
      /bind source path does not exist: .*absent/,
    );
    assert.match(
      await refused("-v", "a/b:/c"),
      /create a\/b: "a\/b" includes invalid characters for a local volume name, only .* If you intended to pass a host directory, use absolute path/,
    );
    assert.match(await refused("-v", `${dir}:/x`, "-v", "nested:/x"), /Duplicate mount point: \/x/);
    assert.equal(
      await sh(
        ["-v", `${dir}:/etc`],
        "ls /etc/hosts /etc/f; wc -l < /etc/hosts | grep -q '^0' || echo hosts",
      ),
      "/etc/f\n/etc/hosts\nhosts",
    );
    await text("volume", "rm", "nested");
  });

  test("a commit of a running container has no places that were made to mount something on", async () => {
    await text(
      ...[
        "run",
        "-d",
        "--name",
        "busy",
        "--network",
        "none",
        "-v",
        "/made/here",
        "-v",
        `${scratch}:/bound`,
        "bb:1",
      ],
      "sh",
      "-c",
      "echo 1 > /own; touch /ready; sleep 1000",
    );
    await until("it is up", async () => (await engine.ply(["exec", "busy", "ls", "/ready"])).code === 0);
    await text("commit", "busy", "busy:1");
    const members = async () => {
      const { bytes } = await engine.must(["save", "busy:1"]);
      const list = await run(
        "sh",
        [
          "-c",
          "d=$(mktemp -d) && tar -xC $d && for l in $(python3 -c \"import json;print(json.load(open('$d/manifest.json'))[0]['Layers'][-1])\"); do tar -tf $d/$l; done; rm -r $d",
        ],
        { stdin: bytes },
      );
      return list.stdout.trim().split("\n").sort();
    };
    assert.deepEqual(await members(), ["own", "ready"]);
    assert.equal(await text("diff", "busy"), "A /own\nA /ready");
    await text("kill", "busy");
    await text("commit", "busy", "busy:1");
    assert.deepEqual(await members(), ["own", "ready"]);
    await text("rm", "-v", "busy");
  });

  test("a commit with the volumes has what the container saw at their places", async () => {
    const create = ["create", "--name", "base", "--network", "none", "bb:1", "sh"];
    await text(...create);
    const old = join(scratch, "data");
    mkdirSync(join(old, "sub"), { recursive: true });
    writeFileSync(join(old, "sub/old"), "of the image");
    await text("cp", old, "base:/");
    await text("commit", "-c", "VOLUME /data", "base", "withdata:1");
    const flags = ["--name", "full", "--network", "none", "-v", "/deep/er/vol", "withdata:1"];
    const script =
      "rm -r /data/sub; echo new > /data/new; chmod 700 /data; echo v > /deep/er/vol/f; echo own > /own";
    await text("run", ...flags, "sh", "-ec", script);
    assert.equal(
      await text("commit", "--include-volumes", "full", "full:1").then((id) => id.slice(0, 7)),
      "sha256:",
    );
    const seen = ["sh", "-c", "ls /data /deep/er/vol; cat /data/new /own; stat -c %a /data"];
    const shown = "/data:\nnew\n\n/deep/er/vol:\nf\nnew\nown\n700";
    assert.equal(await text("run", "--rm", "--network", "none", "full:1", ...seen), shown);
    // Without, it is Docker's commit: volumes are not in it.
    await text("commit", "full", "plain:1");
    assert.equal(await text("run", "--rm", "--network", "none", "plain:1", "ls", "/data"), "sub");
    await text("rm", "-v", "base", "full");
  });

  test("files with holes keep them: copied in and out, and between containers", async () => {
    const file = join(scratch, "sparse");
    const blocks = (path: string) => statSync(path).blocks * 512;
    writeFileSync(file, "begin");
    truncateSync(file, 20_000_000);
    await text("create", "--name", "holes", "--network", "none", "bb:1", "sh");
    await text("cp", file, "holes:/in");
    await text("cp", "holes:/in", join(scratch, "out"));
    assert.ok(blocks(join(scratch, "out")) < 100_000, String(blocks(join(scratch, "out"))));
    assert.equal(statSync(join(scratch, "out")).size, 20_000_000);
    assert.equal(readFileSync(join(scratch, "out")).subarray(0, 5).toString(), "begin");
    await text("cp", "holes:/in", "holes:/copy");
    await text("commit", "holes", "holes:1");
    const layers = join(engine.root, "layers");
    const kept = readdirSync(layers)
      .map((name) => join(layers, name, "layer.tar"))
      .filter((path) => statSync(path).size > 40_000_000);
    assert.deepEqual(
      kept.map((path) => blocks(path) < 1_000_000),
      [true],
    );
    await text("rm", "holes");
  });

  test("recreate: other settings, another image, the same files; all as it was when that cannot be", async () => {
    await engine.must(["import", "-c", 'CMD ["sh"]', "-c", "ENV NEWER=yes", "-", "bb:2"], {
      stdin: (
        await engine.must(["export", await text("create", "--name", "tmp", "--network", "none", "bb:1")])
      ).bytes,
    });
    await text("rm", "tmp");
    const flags = [
      "-e",
      "ONE=1",
      "-e",
      "TWO=2",
      "-l",
      "kept=yes",
      "-v",
      "named:/n",
      "-v",
      "/anon",
      "--stop-signal",
      "KILL",
      "--memory",
      "64m",
    ];
    const id = await text(
      "run",
      "-d",
      "--name",
      "web",
      "--network",
      "none",
      ...flags,
      "bb:1",
      "sh",
      "-c",
      "echo x >> /log; echo x >> /anon/log; sleep 1000",
    );
    const inside = (script: string) => text("exec", "web", "sh", "-c", script);
    const shown = async (what: string) => text("inspect", "-f", `{{${what}}}`, "web");
    await until("it is up", async () => (await engine.ply(["exec", "web", "ls", "/anon/log"])).code === 0);
    await text("snapshot", "create", "web", "before");
    assert.equal(
      await text(
        "recreate",
        "web",
        "-e",
        "TWO=two",
        "--env",
        "THREE=3",
        "-l",
        "more=1",
        "-m",
        "128m",
        "-v",
        `${scratch}:/host:ro`,
      ),
      "web",
    );
    await until(
      "it is up again",
      async () => (await engine.ply(["exec", "web", "sh", "-c", "[ $(wc -l < /anon/log) = 2 ]"])).code === 0,
    );
    assert.equal(
      await inside("cat /log; echo $ONE $TWO $THREE; ls /host | grep single"),
      "x\nx\n1 two 3\nsingle",
    );
    assert.equal(await shown(".Id"), id);
    assert.equal(await shown(".HostConfig.Memory"), String(128 * 1024 * 1024));
    assert.equal(await shown("json .Config.Labels"), '{"kept":"yes","more":"1"}');

    assert.equal(await text("recreate", "web", "--image", "bb:2"), "web");
    assert.equal(await shown(".Config.Image"), "bb:2");
    assert.match(await inside("echo $NEWER $GREETING; wc -l < /log"), /^yes\n/);
    for (const wrong of [
      ["--image", "nosuch:1", "--pull", "never"],
      ["--image", "bb:1", "--", "/no/such/program"],
      ["-v", "a/b:/c"],
    ]) {
      assert.notEqual((await engine.ply(["recreate", "web", ...wrong])).code, 0);
      assert.equal(await shown(".Config.Image"), "bb:2");
      assert.equal(await shown(".State.Status"), "running");
      assert.equal(await shown("len .Mounts"), "3");
    }
    await text("restore", "-f", "web", "before");
    assert.equal(await shown(".Config.Image"), "bb:2");
    await text("rm", "-f", "-v", "web");
    assert.equal(await text("volume", "ls", "-q"), "named");
    await text("volume", "rm", "named");
  });
});
