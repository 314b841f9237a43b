import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startDocker } from "../../bench/peers/docker.ts";
import type { Peer } from "../../bench/peers/peer.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { type Ran, run } from "../support/process.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

/** `SRC DST` of a copy; `C:` is the container, `.` the scratch folder of the case. */
type Case = readonly [args: readonly string[], options?: { readonly stdin?: Uint8Array }];

const STREAM = tarball([
  { name: "streamed/", type: "5" },
  { name: "streamed/one", data: "1" },
]);

/** What `docker cp` does is defined by nothing but itself: each of these runs against both engines. */
const INTO: readonly Case[] = [
  [["file", "C:/new"]],
  [["file", "C:/work"]],
  [["file", "C:/work/"]],
  [["file", "C:/work/old"]],
  [["file", "C:/missing/"]],
  [["file", "C:/missing/new"]],
  [["file", "C:/link"]],
  [["file", "C:/link/"]],
  [["file", "C:/filelink"]],
  [["file", "C:/dangling"]],
  [["file", "C:work/relative"]],
  [["dir", "C:/work"]],
  [["dir", "C:/work/"]],
  [["dir", "C:/new"]],
  [["dir", "C:/new/"]],
  [["dir/.", "C:/work"]],
  [["dir/.", "C:/new"]],
  [["dir/", "C:/work"]],
  [["dir", "C:/work/old"]],
  [["dir", "C:/missing/new"]],
  [["dir", "C:/clash"]],
  [["file2dir", "C:/work"]],
  [["link", "C:/work"]],
  [["-L", "link", "C:/work"]],
  [["dirlink", "C:/work"]],
  [["-L", "dirlink", "C:/work"]],
  [["dirlink/", "C:/work"]],
  [["-a", "file", "C:/work"]],
  [["nothing", "C:/work"]],
  [["-", "C:/work"], { stdin: STREAM }],
  [["-", "C:/work/old"], { stdin: STREAM }],
  [["-", "C:/missing"], { stdin: STREAM }],
  [["fifo", "C:/work"]],
];

const OUT_OF: readonly Case[] = [
  [["C:/work/old", "new"]],
  [["C:/work/old", "dir"]],
  [["C:/work/old", "dir/"]],
  [["C:/work/old", "file"]],
  [["C:/work/old", "missing/"]],
  [["C:/work/old", "missing/new"]],
  [["C:/work/old/", "new"]],
  [["C:/work", "new"]],
  [["C:/work", "dir"]],
  [["C:/work/.", "dir"]],
  [["C:/work/.", "new"]],
  [["C:/work/", "dir"]],
  [["C:/work", "file"]],
  [["C:/link", "new"]],
  [["C:/link/", "new"]],
  [["C:/link/.", "dir"]],
  [["-L", "C:/link", "new"]],
  [["-L", "C:/filelink", "new"]],
  [["C:/dangling", "new"]],
  [["-L", "C:/dangling", "new"]],
  [["C:/nothing", "new"]],
  [["C:/etc/group", "dirlink"]],
  [["C:/etc/group", "link"]],
];

const skip = unless("root", "dockerd", "docker");

describe("docker cp, and ply cp, do what docker cp does with dockerd", { skip }, () => {
  let engine: TestEngine;
  let dockerd: Peer;
  let home: string;

  before(async () => {
    home = mkdtempSync(join(tmpdir(), "ply-copy-"));
    const started = await startDocker(home);
    if ("absent" in started) throw new Error(started.absent);
    dockerd = started;
    engine = await startEngine();
    const image = tarball([
      ...busyboxMembers(),
      { name: "work/", type: "5" },
      { name: "work/old", data: "old", mode: 0o600, uid: 5, gid: 6 },
      { name: "work/sub/", type: "5", mode: 0o750 },
      { name: "work/sub/deep", data: "deep" },
      { name: "work/again", type: "1", link: "work/old", mode: 0o600, uid: 5, gid: 6 },
      { name: "link", type: "2", link: "/work" },
      { name: "filelink", type: "2", link: "work/old" },
      { name: "dangling", type: "2", link: "/work/nowhere" },
      { name: "clash/", type: "5" },
      { name: "clash/dir", data: "a file where a directory comes" },
      { name: "work/file2dir/", type: "5" },
    ]);
    for (const env of [dockerd.environment, { DOCKER_HOST: engine.host }]) {
      const ran = await run("docker", ["import", "-c", 'CMD ["sh"]', "-", "bb:1"], { stdin: image, env });
      assert.equal(ran.code, 0, ran.stderr);
    }
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await dockerd?.[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  });

  /** What is there after a copy, and what was said. */
  async function outcome(client: "docker" | "ply", env: Readonly<Record<string, string>>, one: Case) {
    const [args, options = {}] = one;
    const scratch = mkdtempSync(join(home, "case-"));
    await makeScratch(scratch);
    const tool = client === "docker" ? "docker" : "ply";
    const ran = async (...words: string[]): Promise<Ran> => run("docker", words, { env, cwd: scratch });
    const id = (await ran("create", "--network", "none", "bb:1", "sh")).stdout.trim();
    const words = ["cp", ...args.map((word) => word.replace(/^C:/, `${id}:`))];
    const copied =
      tool === "ply"
        ? await engine.ply(words, { cwd: scratch, stdin: options.stdin ?? "" })
        : await run("docker", words, { env, cwd: scratch, stdin: options.stdin ?? "" });
    const inside = await listTar((await run("docker", ["export", id], { env })).bytes);
    await ran("rm", "-f", id);
    const outside = await run(
      "sh",
      ["-c", "find . -printf '%p %y %s %#m %l\\n' | sort; cat new file 2>/dev/null"],
      {
        cwd: scratch,
      },
    );
    rmSync(scratch, { recursive: true, force: true });
    const said = copied.stderr
      .replaceAll(id, "ID")
      .replaceAll(scratch, "SCRATCH")
      .replace(/^Error response from daemon: |^ply: |^Error: /gm, "")
      // What only tells of dockerd's innards.
      .replace(/^time=.*\n?|^Error processing tar file\(exit status 1\): /gm, "")
      .replace(/^lstat .*\/merged(\/.*): not a directory$/gm, "Could not find the file $1 in container ID")
      .replace(/^(Successfully copied|Copying to|Preparing).*\n?/gm, "")
      .trim();
    return { code: copied.code, said, inside, outside: outside.stdout };
  }

  for (const one of [...INTO, ...OUT_OF]) {
    const [args] = one;
    test(`cp ${args.join(" ")}`, async () => {
      const expected = await outcome("docker", dockerd.environment, one);
      const got = await outcome("docker", { DOCKER_HOST: engine.host, DOCKER_CONFIG: home }, one);
      assert.deepEqual(got, expected);
      const ours = await outcome("ply", { DOCKER_HOST: engine.host, DOCKER_CONFIG: home }, one);
      assert.deepEqual({ ...ours, said: "" }, { ...expected, said: "" });
    });
  }
});

async function makeScratch(scratch: string): Promise<void> {
  writeFileSync(join(scratch, "file"), "from the host", { mode: 0o640 });
  writeFileSync(join(scratch, "file2dir"), "a file");
  mkdirSync(join(scratch, "dir/sub"), { recursive: true });
  writeFileSync(join(scratch, "dir/sub/leaf"), "leaf");
  symlinkSync("file", join(scratch, "link"));
  symlinkSync("dir", join(scratch, "dirlink"));
  await run("mkfifo", [join(scratch, "fifo")]);
}

/** Names, kinds, owners, modes, contents of what the cases touch; no times: those of what was just made differ. */
async function listTar(bytes: Uint8Array): Promise<string> {
  const listed = await run("tar", ["--numeric-owner", "-tvf", "-"], { stdin: bytes });
  const lines = listed.stdout
    .replace(/ \d{4}-\d\d-\d\d \d\d:\d\d /g, " ")
    .split("\n")
    .filter((line) => / (?:work|clash|new|link|filelink|dangling|missing)\b/.test(line));
  const contents = await run("tar", ["-xOf", "-", "--wildcards", "work/*", "clash*", "new*"], {
    stdin: bytes,
  });
  return `${lines.sort().join("\n")}\n${contents.stdout}`;
}
