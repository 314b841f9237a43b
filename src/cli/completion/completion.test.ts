import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { startFakeEngine } from "../testing/fake-engine.ts";
import { runPly } from "../testing/run.ts";

const answers = {
  "GET /images/json": {
    json: [
      { RepoTags: ["debian:12", "debian:13"], RepoDigests: [] },
      { RepoTags: ["localhost:5000/app:1"], RepoDigests: [] },
      { RepoTags: null, RepoDigests: null },
    ],
  },
  "GET /networks": {
    json: [
      { Name: "app", Driver: "bridge" },
      { Name: "host", Driver: "host" },
    ],
  },
  "GET /containers/json": {
    json: [
      { Names: ["/web"], Status: "Up 2 minutes" },
      { Names: ["/db"], Status: "Exited (0)" },
    ],
  },
};

describe("completion", () => {
  const cases: readonly (readonly [line: string, expected: readonly string[], files?: string])[] = [
    ["pul", ["pull"]],
    ["im", ["images", "import", "image"]],
    ["image p", ["prune", "pull", "push"]],
    ["help pus", ["push"]],
    ["pull --pl", ["--platform"]],
    ["run --net", ["--network", "--net", "--network-alias", "--net-alias"]],
    ["run --network ", ["app", "host"]],
    ["network connect a", ["app"]],
    ["--ho", ["--host"]],
    ["rmi deb", ["debian:12", "debian:13"]],
    ["rmi debian:12 local", ["localhost:5000/app:1"]],
    ["run --rm -it deb", ["debian:12", "debian:13"]],
    ["run -e A=b -v /x:/y deb", ["debian:12", "debian:13"]],
    ["rm ", ["web", "db"]],
    ["inspect ", ["web", "db", "debian:12", "debian:13", "localhost:5000/app:1"]],
    ["history debian:12 ", []],
    ["run --pull ", ["always", "missing", "never"]],
    ["run --pull=al", ["--pull=always"]],
    ["save --format o", ["oci"]],
    ["load -i ", [], "file"],
    ["load --input=", [], "file"],
    ["serve --root ", [], "directory"],
    ["run debian:12 ", [], "file"],
    ["run debian:12 --net", [], "file"],
    ["run -it --name ", []],
    ["completion ", ["bash", "zsh", "fish"]],
    ["completion z", ["zsh"]],
    ["-H ", []],
    ["nonsense ", []],
  ];
  for (const [line, expected, files = "none"] of cases)
    test(`of ${JSON.stringify(line)}`, async () => {
      await using engine = await startFakeEngine(answers);
      const { stdout, code } = await runPly(["__complete", ...line.split(" ")], { engine });
      assert.equal(code, 0);
      const [first, ...candidates] = stdout.trimEnd().split("\n");
      assert.equal(first, `:${files}`);
      assert.deepEqual(
        candidates.map((candidate) => candidate.split("\t")[0]),
        expected,
      );
    });

  test("says what a word is about", async () => {
    assert.equal(
      (await runPly(["__complete", "pul"])).stdout,
      ":none\npull\tDownload images from a registry\n",
    );
  });

  test("an engine that does not answer offers nothing, silently, and is not started", async () => {
    const { stdout, stderr, code } = await runPly(["__complete", "rmi", ""], {
      env: { PLY_HOST: "unix:///nonexistent" },
    });
    assert.deepEqual({ stdout, stderr, code }, { stdout: ":none\n", stderr: "", code: 0 });
    assert.equal((await runPly(["__complete", "rmi", ""])).stdout, ":none\n");
  });

  for (const shell of ["bash", "zsh", "fish"]) {
    const isThere = spawnSync(shell, ["-c", "true"]).error === undefined;
    test(`the ${shell} script is sound`, {
      skip: isThere ? false : `${shell} is not installed here`,
    }, async () => {
      const { stdout, code } = await runPly(["completion", shell]);
      assert.equal(code, 0);
      const checked = spawnSync(shell, ["-n"], { input: stdout });
      assert.equal(checked.status, 0, checked.stderr.toString());
    });
  }

  test("an unknown shell is refused", async () => {
    assert.match((await runPly(["completion", "tcsh"])).stderr, /unknown shell "tcsh"/);
  });

  test("bash gets whole words past ':' and '='", async () => {
    const dir = await mkdtemp(join(tmpdir(), "ply-cli-test-"));
    try {
      const { stdout: script } = await runPly(["completion", "bash"]);
      const ply = join(dir, "ply");
      await writeFile(
        ply,
        `#!/bin/sh
case "$*" in
"__complete rmi debian:1") printf ':none\\ndebian:12\\ndebian:13\\n' ;;
"__complete run --pull=al") printf ':none\\n--pull=always\\n' ;;
"__complete pul") printf ':none\\npull\\tDownload\\n' ;;
"__complete rm ") printf ':none\\nweb\\tUp\\n' ;;
esac
`,
      );
      await chmod(ply, 0o755);
      const complete = (line: string, words: readonly string[]): string => {
        const { stdout, stderr } = spawnSync(
          "bash",
          [
            "-c",
            `${script}
             COMP_LINE=$1 COMP_POINT=\${#1}; shift; COMP_WORDS=("$@"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
             _ply 2>/dev/null; echo "\${COMPREPLY[@]}"`,
            "bash",
            line,
            ...words,
          ],
          { env: { ...process.env, PATH: `${dir}:${process.env["PATH"]}` } },
        );
        assert.equal(stderr.toString(), "");
        return stdout.toString().trim();
      };
      assert.equal(complete("ply pul", ["ply", "pul"]), "pull");
      assert.equal(complete("ply rm ", ["ply", "rm", ""]), "web");
      assert.equal(complete("ply rmi debian:1", ["ply", "rmi", "debian", ":", "1"]), "12 13");
      assert.equal(complete("ply run --pull=al", ["ply", "run", "--pull", "=", "al"]), "always");
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
