import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseIgnoreFile } from "../../dockerfile/index.ts";
import type { TreeNode } from "../../layer/index.ts";
import { newNode } from "../context/file-tree.ts";
import { exitHint } from "../run/exit-hint.ts";
import { missingHint } from "./missing-source.ts";

const file = (): TreeNode => newNode({ type: "file", mode: 0o644 });
const directory = (children: Readonly<Record<string, TreeNode>>): TreeNode => ({
  ...newNode({ type: "directory", mode: 0o755 }),
  children: new Map(Object.entries(children)),
});

const ROOT = directory({
  "package.json": file(),
  link: newNode({ type: "symlink", mode: 0o777, linkTarget: "/etc" }),
  src: directory({ app: directory({ "main.py": file(), "other.py": file() }) }),
  test: directory({ "main.py": file() }),
});
const IGNORE = parseIgnoreFile("# not these\n*.log\n.env*\n!.env.example\n");

describe("what is said of a source that is not there", () => {
  const cases: readonly (readonly [path: string, hint: RegExp | undefined])[] = [
    [".env", /the ignore file leaves it out: \.env\* \(line 3\)/],
    ["./x.log", /leaves it out: \*\.log \(line 2\)/],
    ["pakage.json", /did you mean package\.json\?/],
    ["src/ap/main.py", /did you mean src\/app\?/],
    ["app/main.py", /there is src\/app\/main\.py: paths begin at the root/],
    ["main.py", /there is test\/main\.py/],
    ["../x", /lies outside of the context/],
    ["link/passwd", /link is a link to \/etc, which is not there/],
    ["nothing/like/it", undefined],
  ];
  for (const [path, hint] of cases)
    test(path, () => {
      const said = missingHint(ROOT, path, IGNORE);
      if (hint === undefined) assert.equal(said, undefined);
      else assert.match(said ?? "", hint);
    });

  test("what an image has is not ignored", () => {
    assert.equal(missingHint(ROOT, ".env"), undefined);
  });
});

describe("what an exit code says", () => {
  const plain = { args: ["/bin/sh", "-c", "make"], path: "PATH=/bin", isOutOfMemory: false };
  const cases: readonly (readonly [code: number, hint: RegExp | undefined])[] = [
    [1, undefined],
    [2, undefined],
    [126, /cannot be run/],
    [127, /no such program in PATH=\/bin/],
    [132, /SIGILL/],
    [137, /SIGKILL.*memory/],
    [139, /SIGSEGV/],
    [143, /^143: a signal ended it \(SIGTERM\)/],
    [255, undefined],
  ];
  for (const [code, hint] of cases)
    test(String(code), () => {
      const said = exitHint(code, plain);
      if (hint === undefined) assert.equal(said, undefined);
      else assert.match(said ?? "", hint);
    });

  test("a list that is no JSON is the shell's", () => {
    assert.match(exitHint(127, { ...plain, args: ["/bin/sh", "-c", '["a", b]'] }) ?? "", /no JSON list/);
  });

  test("memory that ran out is known, not guessed", () => {
    assert.match(
      exitHint(1, { ...plain, isOutOfMemory: true }) ?? "",
      /memory ran out and the kernel killed it/,
    );
  });
});
