import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { nastyLayers } from "../../test/support/nasty-layers.ts";
import { type Member, tarball } from "../../test/support/tarball.ts";
import { isPlyError } from "../error.ts";
import { MS, mount, parseMountinfo } from "../linux/index.ts";
import { unmountAll } from "../overlay/index.ts";
import { chainImage } from "./erofs-image.ts";
import { chooseDriver, erofsDriver, overlay2Driver } from "./index.ts";
import { stackOf, storeLayer } from "./testing/layers.ts";
import { type SuiteOptions, snapshotDriverSuite } from "./testing/suite.ts";

const skipAll =
  process.versions["bun"] === undefined
    ? "system calls need Bun"
    : process.getuid?.() !== 0
      ? "mounting needs root"
      : undefined;

const tarOf: SuiteOptions["tarOf"] = (files) =>
  tarball(
    Object.entries(files).map(([name, data]): Member => {
      if (data !== null) return { name, data };
      const slash = name.lastIndexOf("/") + 1;
      return { name: `${name.slice(0, slash)}.wh.${name.slice(slash)}` };
    }),
  );

/** Hard links that come and go between layers, symlinked parents, devices that look like whiteouts. */
function linkLayers(): Buffer[] {
  return [
    tarball([
      { name: "a/one", data: "three names", mode: 0o640 },
      { name: "a/two", type: "1", link: "a/one" },
      { name: "b/three", type: "1", link: "a/one" },
      { name: "usr/lib/", type: "5", mode: 0o711, uid: 3 },
      { name: "usr/lib/so", data: "library" },
      { name: "lib", type: "2", link: "usr/lib" },
      { name: "loses/x", data: "x" },
      { name: "loses/y", type: "1", link: "loses/x" },
      { name: "dev/zero", type: "3", major: 0, minor: 0 },
    ]),
    tarball([
      { name: "c/four", type: "1", link: "b/three" },
      { name: "lib/more", data: "through the symlink" },
      { name: "loses/.wh.y" },
      { name: "a/.wh..wh..opq" },
      { name: "a/fresh", data: "fresh" },
      { name: "usr/lib/so2", type: "1", link: "usr/lib/so" },
    ]),
    tarball([
      { name: "b/three", data: "no longer a link" },
      { name: "usr/lib/so", data: "replaced, so2 keeps the old one" },
      { name: "c/", type: "5", mode: 0o700, mtime: 12 },
      { name: "emptied/.wh.nothing" },
    ]),
  ];
}

/** GNU sparse 1.0: the map goes before the data. */
function sparseLayers(): Buffer[] {
  const map = Buffer.alloc(512);
  map.write("2\n1048576\n5\n4194304\n512\n");
  const data = Buffer.concat([map, Buffer.from("hello"), Buffer.alloc(512, "z")]);
  return [
    tarball([
      {
        name: "GNUSparseFile.0/big",
        data,
        pax: {
          "GNU.sparse.major": "1",
          "GNU.sparse.minor": "0",
          "GNU.sparse.name": "big",
          "GNU.sparse.realsize": "8388608",
        },
      },
      { name: "after", data: "x".repeat(1000) },
    ]),
    tarball([{ name: "linked", type: "1", link: "big" }]),
  ];
}

/** Directories nested far beyond the longest path. */
function makeDeep(path: string): void {
  let fd = openSync(path, "r");
  for (let depth = 0; depth < 40; depth++) {
    const next = `/proc/self/fd/${fd}/${"d".repeat(200)}`;
    mkdirSync(next);
    const below = openSync(next, "r");
    closeSync(fd);
    fd = below;
  }
  closeSync(fd);
}

const options: SuiteOptions = {
  skipAll,
  tarOf,
  layerSets: {
    "nasty layers": () => nastyLayers().map((layer) => layer.tar),
    links: linkLayers,
    "sparse files": sparseLayers,
  },
};

snapshotDriverSuite("erofs (files)", (roots) => erofsDriver(roots), options);
snapshotDriverSuite("erofs (loop devices)", (roots) => erofsDriver({ ...roots, mode: "loop" }), options);
snapshotDriverSuite("overlay2", (roots) => overlay2Driver(roots), options);

describe("storage drivers", { skip: skipAll ?? false }, () => {
  let base = "";
  before(() => {
    base = mkdtempSync(join(tmpdir(), "ply-drivers-"));
  });
  after(() => {
    for (const { target } of parseMountinfo().reverse())
      if (target.startsWith(`${base}/`)) unmountAll(target);
    rmSync(base, { recursive: true, force: true });
  });
  const newRoot = (name: string) => {
    const root = join(base, name);
    mkdirSync(join(root, "ingest"), { recursive: true });
    return root;
  };

  test("the merged image has the same bytes in every root", async () => {
    const images = await Promise.all(
      ["first", "second"].map(async (name) => {
        const root = newRoot(name);
        const stack = stackOf(nastyLayers().map((layer) => storeLayer(root, layer.tar)));
        await erofsDriver({ root, runRoot: join(root, "run") }).materialize(stack);
        return readFileSync(join(root, "chains", stack.chainId.slice(7)));
      }),
    );
    assert.ok(images[0]?.equals(images[1] ?? Buffer.alloc(0)));
  });

  test("a stack with very many entries is written by a thread, to the same bytes", async () => {
    const root = newRoot("large");
    const files = Object.fromEntries(
      Array.from({ length: 20_000 }, (_, n) => [`d${n % 50}/file-${n}`, `${n}`]),
    );
    const stack = stackOf([storeLayer(root, tarOf(files))]);
    await erofsDriver({ root, runRoot: join(root, "run") }).materialize(stack);
    const written = readFileSync(join(root, "chains", stack.chainId.slice(7)));
    assert.ok(written.equals(await chainImage(stack)));
  });

  test("a damaged tar is found before it is mounted", async () => {
    const root = newRoot("damaged");
    const layer = storeLayer(root, tarOf({ a: "x".repeat(5000) }));
    const driver = erofsDriver({ root, runRoot: join(root, "run") });
    truncateSync(join(layer.dir, "layer.tar"), 1024);
    await assert.rejects(
      driver.view(stackOf([layer])),
      (error) => isPlyError(error, "corrupt") && /has 1024 bytes/.test(error.message),
    );
    await driver[Symbol.asyncDispose]();
  });

  test("auto takes erofs here, says why, and leaves nothing of the trial", async () => {
    const root = newRoot("auto");
    const runRoot = join(root, "run");
    const { driver, tried } = await chooseDriver({ root, runRoot, wanted: "auto" });
    assert.equal(tried.at(-1)?.ok, true);
    assert.equal(tried.at(-1)?.name, driver.name);
    assert.equal(tried.at(-1)?.why, driver.description);
    assert.deepEqual(readdirSync(join(root, "ingest")), []);
    assert.deepEqual(readdirSync(runRoot).sort(), ["mounts", "trials.json"]);
  });

  test("a trial that worked counts until the circumstances change", async () => {
    const root = newRoot("memory");
    const runRoot = newRoot("memory-run");
    const choose = () => chooseDriver({ root, runRoot, wanted: "overlay2" });
    await choose();
    const memory = join(runRoot, "trials.json");
    const noted = readFileSync(memory, "utf8");
    const { ino } = statSync(memory);
    await choose();
    assert.equal(statSync(memory).ino, ino, "not tried again");
    for (const text of [
      noted.replace('"worked":["overlay2"]', '"worked":[]'),
      noted.replace("0", "9"),
      "no JSON",
    ]) {
      writeFileSync(memory, text);
      await choose();
      assert.equal(readFileSync(memory, "utf8"), noted, "tried again and noted");
    }
  });

  test("a store keeps the driver it was made with", async () => {
    const root = newRoot("previous");
    const runRoot = join(root, "run");
    const { driver } = await chooseDriver({ root, runRoot, wanted: "auto", previous: "overlay2" });
    assert.equal(driver.name, "overlay2");
    await assert.rejects(
      chooseDriver({ root, runRoot, wanted: "erofs", previous: "overlay2" }),
      (error) => isPlyError(error, "conflict") && /made with the storage driver overlay2/.test(error.message),
    );
    await assert.rejects(chooseDriver({ root, runRoot, wanted: "zfs" }), (error) =>
      isPlyError(error, "invalid"),
    );
  });

  test("a root on tmpfs gets loop devices, a root on overlayfs an explanation", async () => {
    const onTmpfs = newRoot("tmpfs");
    mount("tmpfs", onTmpfs, "tmpfs", MS.NOSUID);
    const { tried, driver } = await chooseDriver({ root: onTmpfs, runRoot: newRoot("run1"), wanted: "auto" });
    assert.deepEqual(
      tried.map(({ name, ok }) => ({ name, ok })),
      [
        { name: "erofs", ok: false },
        { name: "erofs", ok: true },
      ],
    );
    assert.match(driver.description, /loop devices \(ENOTBLK/);

    const [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(newRoot);
    mount("overlay", merged ?? "", "overlay", 0, `lowerdir=${lower},upperdir=${upper},workdir=${work}`);
    await assert.rejects(
      chooseDriver({ root: merged ?? "", runRoot: newRoot("run2"), wanted: "auto" }),
      (error) =>
        isPlyError(error, "unsupported") &&
        /erofs: .*ENOTBLK.*overlay2: overlayfs refuses/.test(error.message) &&
        !existsSync(join(merged ?? "", "overlay2")),
    );
  });

  test("overlay2 keeps no copy of file contents in its frame", async () => {
    const root = newRoot("frame");
    const layer = storeLayer(root, tarOf({ big: "b".repeat(300_000), small: "s" }));
    const driver = overlay2Driver({ root, runRoot: join(root, "run") });
    await driver.materialize(stackOf([layer]));
    assert.deepEqual(readdirSync(layer.dir).sort(), ["index", "layer.frame"]);
    assert.ok(readFileSync(join(layer.dir, "layer.frame")).length < 8192);
    await driver[Symbol.asyncDispose]();
  });

  test("a directory that a container made hard to remove is removed", async () => {
    const root = newRoot("stubborn");
    const driver = erofsDriver({ root, runRoot: join(root, "run") });
    const dir = join(root, "containers/c");
    const { path } = await driver.prepare(dir, null);
    execFileSync("sh", [
      "-c",
      `cd "$0" && mkdir locked && echo x > locked/file && chattr +i locked/file && chattr +a locked
       mkdir -m 000 closed && printf x > "$(printf 'bad\\377name')"`,
      path,
    ]);
    makeDeep(path);
    await driver.discard(dir);
    assert.deepEqual(readdirSync(dir), []);
    await driver[Symbol.asyncDispose]();
  });
});
