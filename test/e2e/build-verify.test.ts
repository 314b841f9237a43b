import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type BuildRoom, openBuildRoom } from "../support/build-room.ts";
import { unless } from "../support/needs.ts";

describe("ply build --verify", { skip: unless("root") }, () => {
  let room: BuildRoom;
  before(async () => {
    room = await openBuildRoom();
  });
  after(() => room[Symbol.asyncDispose]());

  const verify = (directory: string, ...flags: string[]) =>
    room.engine.ply(["build", "--verify", "--network", "none", "--progress", "plain", ...flags, directory]);
  const layers = () => readdirSync(join(room.engine.root, "layers")).sort();

  test("what is made the same way twice passes, and is built; the steps are shown twice, and run though they were cached", async () => {
    const directory = room.contextOf(
      "FROM bb:1 AS made\nRUN echo same > /f\nFROM bb:1\nCOPY --from=made /f /f\nCOPY a /a/\nWORKDIR /w\n",
      { a: "a" },
    );
    const epoch = ["--timestamp", "1000000000", "-t", "same:1"];
    const before = await room.build(directory, ...epoch);
    const kept = layers();
    const { code, stdout, stderr } = await verify(directory, ...epoch);
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trim(), before);
    assert.deepEqual(layers(), kept);
    assert.match(stderr, /\[made 2\/2\] RUN echo same/);
    assert.match(stderr, /\[again made 2\/2\] RUN echo same/);
    assert.doesNotMatch(stderr, /CACHED/);
  });

  test("what differs is told by step, path and field; nothing is tagged, nothing of the second build stays", async () => {
    const state = join(room.work, "state");
    mkdirSync(state);
    // A directory that both builds see, so that the second one knows that it is the second.
    const script = `set -e; mkdir /d
if [ -e /state/n ]; then echo 2 > /d/content; echo twice > /d/size; touch /d/more; ln -s b /d/link; mkdir -m 700 /d/mode; mkfifo /d/kind
else echo 1 | tee /state/n > /d/content; echo once, longer > /d/size; touch /d/less; ln -s a /d/link; mkdir -m 755 /d/mode; touch /d/kind; fi
chown $(wc -c < /d/size):0 /d/mode`;
    writeFileSync(join(state, "script"), script);
    const directory = room.contextOf("FROM bb:1\nRUN echo same > /same\nRUN sh /state/script\nENV A=b\n");
    const flags = ["-v", `${state}:/state`, "-t", "differs:1", "--timestamp", "1000000000"];
    const { code, stderr } = await verify(directory, ...flags);
    assert.equal(code, 1);
    const told = stderr.slice(stderr.indexOf("Error: ")).split("\n");
    assert.equal(
      told[0],
      "Error: the build is not reproducible: 1 of 3 steps made something else the second time",
    );
    assert.equal(told[1], "Dockerfile:3: RUN sh /state/script");
    assert.deepEqual(told.slice(2, -1).sort(), [
      "  /d/content: content",
      "  /d/kind: type file → fifo",
      "  /d/less: file that only the first build made",
      "  /d/link: link a → b",
      "  /d/mode: mode 0755 → 0700, owner 13:0 → 6:0",
      "  /d/more: file that only the second build made",
      "  /d/size: content 13 bytes → 6 bytes",
    ]);
    assert.equal((await room.engine.ply(["inspect", "differs:1"])).code, 1);
    await room.engine.must(["builder", "prune", "-af"]);
    assert.deepEqual((await room.engine.must(["images", "-q", "differs:1"])).stdout, "");
    assert.deepEqual(readdirSync(join(room.engine.root, "build/spool")), []);
    assert.match((await room.engine.must(["system", "check"])).stdout, /./);
  });

  test("times alone: the cure is named", async () => {
    const directory = room.contextOf("FROM bb:1\nRUN touch /now\n");
    const { code, stderr } = await verify(directory);
    assert.equal(code, 1);
    assert.match(stderr, /\n {2}\/now: mtime 20\S+Z → 20\S+Z\n/);
    assert.match(stderr, /Hint: only times differ: --timestamp SECONDS/);
    assert.equal((await verify(directory, "--source-date-epoch", "1000000000")).code, 0);
  });
});
