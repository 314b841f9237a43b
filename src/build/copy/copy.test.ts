import assert from "node:assert/strict";
import { test } from "node:test";
import { readTar } from "../../tar/index.ts";
import { keyOf } from "../cache/cache.ts";
import { type FileTree, newNode } from "../context/file-tree.ts";
import { type CopyOptions, copyFound, findSources } from "./copy-files.ts";
import { parseMode } from "./copy-mode.ts";
import { resolveOwner } from "./copy-owner.ts";
import { createLayerPlan, createLonePlan, type LayerPlan, type Times } from "./layer-plan.ts";

const MODES: readonly (readonly [text: string, before: number, isDirectory: boolean, after: number])[] = [
  ["755", 0o644, false, 0o755],
  ["04711", 0, false, 0o4711],
  ["u+x", 0o644, false, 0o744],
  ["go-rwx", 0o755, true, 0o700],
  ["a=rX", 0o600, false, 0o444],
  ["a=rX", 0o600, true, 0o555],
  ["=r,u+w", 0o777, false, 0o644],
  ["g=u", 0o640, false, 0o660],
  ["u+s,+t", 0o755, false, 0o5755],
];
for (const [text, before, isDirectory, after] of MODES)
  test(`--chmod=${text} of ${before.toString(8)}`, () =>
    assert.equal(parseMode(text)?.(before, isDirectory), after));

test("--chmod refuses what is no mode", () => {
  for (const text of ["8", "u+q", "77777", "x"]) assert.throws(() => parseMode(text), { kind: "invalid" });
});

test("owners by number and by name", async () => {
  const files: Record<string, string> = {
    "/etc/passwd": "me:x:5:6::/:\nbad line\n",
    "/etc/group": "crew:x:9:\n",
  };
  const read = async (path: string): Promise<string> => files[path] ?? "";
  assert.equal(await resolveOwner("", read), undefined);
  for (const [text, uid, gid] of [
    ["3", 3, 3],
    ["3:4", 3, 4],
    ["me", 5, 6],
    ["me:crew", 5, 9],
    ["me:7", 5, 7],
  ] as const)
    assert.deepEqual(await resolveOwner(text, read), { uid, gid }, text);
  await assert.rejects(resolveOwner("you", read), { kind: "invalid" });
  await assert.rejects(resolveOwner("me:you", read), { kind: "invalid" });
});

/** Paths with their contents; a slash at the end makes a directory, ` -> ` a link. */
function treeOf(...paths: readonly string[]): FileTree {
  const root = newNode({ type: "directory", mode: 0o755 });
  for (const text of paths) {
    const [path = "", target] = text.split(" -> ");
    const names = path.split("/").filter((name) => name !== "");
    let directory = root;
    for (const name of names.slice(0, -1)) {
      const next = directory.children?.get(name) ?? newNode({ type: "directory", mode: 0o755 });
      directory.children?.set(name, next);
      directory = next;
    }
    const node =
      target !== undefined
        ? newNode({ type: "symlink", mode: 0o777, linkTarget: target })
        : path.endsWith("/")
          ? newNode({ type: "directory", mode: 0o755 })
          : newNode({ type: "file", mode: 0o644, size: path.length, mtimeSeconds: 1000 });
    directory.children?.set(names.at(-1) ?? "", node);
  }
  return { root, read: (path) => [Buffer.from(path)], digestOf: (path) => `digest of ${path}` };
}

const OPTIONS: CopyOptions = {
  name: "COPY",
  destination: "/d/",
  owner: { uid: 0, gid: 0 },
  mode: undefined,
  keepParents: false,
  isAlone: true,
  madeMode: 0o755,
  excludes: [],
};

async function planned(
  target: FileTree,
  source: FileTree,
  patterns: readonly string[],
  options: Partial<CopyOptions> = {},
  isLone = false,
): Promise<LayerPlan> {
  const plan = isLone ? createLonePlan(target.root) : createLayerPlan(target.root);
  const { keepParents = false } = options;
  const found = patterns.flatMap((pattern) => findSources(source, pattern, "COPY", keepParents));
  await copyFound(plan, found, { ...OPTIONS, ...options });
  return plan;
}

const pathsOf = async (plan: LayerPlan): Promise<string[]> => (await plan.inputs()).map(([path]) => path);

test("a layer holds what is new, and no directory that is there", async () => {
  const plan = await planned(treeOf("d/"), treeOf("a", "s/b"), ["a", "s"]);
  assert.deepEqual(await pathsOf(plan), ["/d/a", "/d/b"]);
});

test("symlinks of the target are followed within it, whatever they say", async () => {
  const plan = await planned(treeOf("real/", "d -> /../../real"), treeOf("a"), ["a"]);
  assert.deepEqual(await pathsOf(plan), ["/real/a"]);
});

test("--link: a layer over nothing, but directories on its way look as they do below", async () => {
  const base = treeOf("t/", "real/", "l -> real");
  const t = base.root.children?.get("t");
  if (t !== undefined) t.mode = 0o1777;
  const lone = async (destination: string) =>
    (await planned(base, treeOf("a"), ["a"], { destination }, true)).inputs();
  assert.deepEqual(
    (await lone("/t/")).map(([path, text]) => `${path} ${text.split(" ", 2).join(" ")}`),
    ["/t directory 1777", "/t/a file 644"],
  );
  assert.deepEqual(
    (await lone("/l/")).map(([path, text]) => `${path} ${text.split(" ", 2).join(" ")}`),
    ["/l directory 755", "/l/a file 644"],
  );
});

test("files and directories are not put over each other", async () => {
  await assert.rejects(planned(treeOf("d"), treeOf("s/b"), ["s"], { destination: "/d" }), /non-directory/);
  await assert.rejects(planned(treeOf("d/a/x"), treeOf("s/a"), ["s"]), /cannot replace directory \/d\/a/);
});

test("--exclude leaves out, but not what another rule keeps", async () => {
  const source = treeOf("s/a.js", "s/a.md", "s/sub/b.md", "s/sub/keep.md");
  const plan = await planned(treeOf(), source, ["s"], { excludes: ["**/*.md", "!sub/keep.md"] });
  assert.deepEqual(await pathsOf(plan), ["/d", "/d/a.js", "/d/sub", "/d/sub/keep.md"]);
});

test("the tar is the same for the same files, whatever the hour; times can be rewritten", async () => {
  const times = async (now: number, rule?: Times): Promise<(readonly [string, number])[]> => {
    const plan = await planned(treeOf(), treeOf("a"), ["a"]);
    const found: (readonly [string, number])[] = [];
    const tar = plan.tar({ now, ...(rule === undefined ? {} : { times: rule }) });
    for await (const { entry } of readTar(tar)) found.push([entry.path, entry.mtimeSeconds]);
    return found;
  };
  assert.deepEqual(await times(5000), [
    ["d/", 1000],
    ["d/a", 1000],
  ]);
  assert.deepEqual(await times(6000), await times(5000));
  assert.deepEqual(
    (await times(1, { all: 7 })).map(([, time]) => time),
    [7, 7],
  );
  assert.deepEqual(
    (await times(1, { atMost: 999 })).map(([, time]) => time),
    [999, 999],
  );
});

test("keys tell inputs apart however they are cut", () => {
  const keys = [
    keyOf("run", [["a", "b"]]),
    keyOf("run", [["ab", ""]]),
    keyOf("run", [
      ["a", "b"],
      ["", ""],
    ]),
    keyOf("copy", [["a", "b"]]),
  ];
  assert.equal(new Set(keys).size, keys.length);
});
