import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { debianRoot } from "../support/debian.ts";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, startEngine, type TestEngine } from "../support/ply.ts";
import { must, run, until } from "../support/process.ts";

const skip = unless("root", "tmux", "debootstrap");

/** A package takes a moment to come over the network. */
const PATIENCE_MS = 120_000;

describe("a program that a Debian image lacks", { skip }, () => {
  let engine: TestEngine;
  let scratch: string;
  before(async () => {
    engine = await startEngine();
    scratch = mkdtempSync(join(tmpdir(), "ply-story-"));
    await engine.must(["import", "-c", 'CMD ["bash"]', (await debianRoot()).tar, "debian:12"]);
  });
  after(async () => {
    await run("tmux", ["-S", join(scratch, "tmux"), "kill-server"]);
    await engine[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  const tmux = async (...args: string[]): Promise<string> =>
    (await must("tmux", ["-S", join(scratch, "tmux"), ...args])).stdout;
  const type = (line: string): Promise<string> => tmux("send-keys", "-t", "story", line, "Enter");
  /** Waits until the screen, its history included, shows it. */
  const sees = (what: RegExp): Promise<string> =>
    until(
      `the screen shows ${what}`,
      async () => {
        const screen = await tmux("capture-pane", "-p", "-J", "-S", "-", "-t", "story");
        return what.test(screen) ? screen : undefined;
      },
      PATIENCE_MS,
    );

  test("is installed in a terminal, used, committed, and there in the next container", {
    timeout: 4 * PATIENCE_MS,
  }, async () => {
    const ply = `env PLY_HOST=${engine.host} HOME=${scratch} ${PLY_BINARY}`;
    await tmux("-f", "/dev/null", "new-session", "-d", "-s", "story", "-x", "120", "-y", "40", "sh");
    await type(`${ply} run -it --name workbench --network host --hostname bench debian:12 bash`);
    await sees(/root@bench:\/# *\n*$/);
    await type("tree --version");
    await sees(/bash: tree: command not found/);
    await type(
      "R='-o Acquire::Retries=3'; apt-get $R update -q && apt-get $R install -q -y --no-install-recommends tree; echo it ended with $?",
    );
    await sees(/it ended with 0/);
    await type("clear; mkdir -p /srv/a/b && tree --noreport --charset ascii /srv");
    await sees(/\/srv\n`-- a\n {4}`-- b/);
    await type("exit 7");
    // What is typed before the container has ended is the container's.
    await sees(/\nexit\n[^\n]*[#$] *\n*$/);
    await type("echo left with $?");
    await sees(/left with 7/);

    const image = (
      await engine.must([
        "commit",
        "-m",
        "with tree",
        "-a",
        "Ada <ada@example.com>",
        "workbench",
        "debian:tree",
      ])
    ).stdout.trim();
    const images = (await engine.must(["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"])).stdout;
    assert.ok(images.includes(`debian:tree ${image.slice("sha256:".length, "sha256:".length + 12)}`), images);
    const [newest = "", ...older] = (
      await engine.must(["history", "--no-trunc", "--format", "{{.ID}} {{.Comment}}", "debian:tree"])
    ).stdout
      .trim()
      .split("\n");
    assert.match(newest, /^sha256:[0-9a-f]{64} with tree$/);
    assert.equal(older.length, 1);
    assert.equal(
      (await engine.must(["inspect", "-f", "{{.Author}}", "debian:tree"])).stdout.trim(),
      "Ada <ada@example.com>",
    );
    const size = async (name: string) =>
      Number((await engine.must(["inspect", "-f", "{{.Size}}", name])).stdout);
    assert.ok((await size("debian:tree")) > (await size("debian:12")));

    // The docker client sees the same, and runs it.
    const again = await engine.docker([
      "run",
      "--rm",
      "--network",
      "none",
      "debian:tree",
      "tree",
      "--noreport",
      "--charset",
      "ascii",
      "/srv",
    ]);
    assert.equal(again.stdout.replaceAll("\u00a0", " "), "/srv\n`-- a\n    `-- b\n");
    const shown = await engine.docker(["history", "--format", "{{.Comment}}", "debian:tree"]);
    assert.equal(shown.stdout.split("\n")[0], "with tree");
    const before = await engine.ply(["run", "--rm", "--network", "none", "debian:12", "tree"]);
    assert.equal(before.code, 127);
  });
});
