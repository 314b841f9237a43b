import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isPlyError } from "../../error.ts";
import { decodeIndex, unionOf } from "../../layer/index.ts";
import { lgetxattr, parseMountinfo } from "../../linux/index.ts";
import { unmountAll } from "../../overlay/index.ts";
import type { LayerStack, StackLayer } from "../../store/index.ts";
import type { SnapshotDriver } from "../driver.ts";
import { stackOf, storeLayer } from "./layers.ts";
import { type Scan, scanMount, scanUnion } from "./scan.ts";

/** Roots of one test, made and removed (mounts too) by the suite. */
export interface DriverRoots {
  readonly root: string;
  readonly runRoot: string;
}

export interface SuiteOptions {
  /** Reason to skip everything: no root, no Bun, no such kernel. */
  readonly skipAll?: string | undefined;
  /** Test name → why this driver cannot pass it. */
  readonly skip?: Readonly<Record<string, string>>;
  /** Layers (bottom first) to be compared with their union, by name. */
  readonly layerSets: Readonly<Record<string, () => readonly Uint8Array[]>>;
  /** A tar of plain files and, with a null value, whiteouts: path → content. */
  readonly tarOf: (files: Readonly<Record<string, string | null>>) => Uint8Array;
}

/** What every storage driver must do; see {@link SnapshotDriver}. */
export function snapshotDriverSuite(
  name: string,
  makeDriver: (roots: DriverRoots) => SnapshotDriver,
  { skipAll, skip = {}, layerSets, tarOf }: SuiteOptions,
): void {
  describe(`storage driver ${name}`, { skip: skipAll ?? false }, () => {
    let base = "";
    let count = 0;
    before(() => {
      base = realpathSync(mkdtempSync(join(tmpdir(), "ply-snapshot-")));
    });
    after(() => rmSync(base, { recursive: true, force: true }));
    /** After each test: hooks have only five seconds under Bun. */
    const cleanUp = () => {
      for (const { target } of parseMountinfo().reverse())
        if (target.startsWith(`${base}/`)) unmountAll(target);
      for (const name of readdirSync(base)) rmSync(join(base, name), { recursive: true, force: true });
    };

    const newRoots = (): DriverRoots => {
      const roots = { root: join(base, `${++count}`, "root"), runRoot: join(base, `${count}`, "run") };
      mkdirSync(join(roots.root, "ingest"), { recursive: true });
      mkdirSync(roots.runRoot);
      return roots;
    };
    const setUp = (...tars: readonly Uint8Array[]) => {
      const roots = newRoots();
      const stack = stackOf(tars.map((tar) => storeLayer(roots.root, tar)));
      return { ...roots, stack, driver: makeDriver(roots), dir: join(roots.root, "containers", "c1") };
    };
    const simple = () => setUp(tarOf({ "etc/a": "lower a", "etc/b": "lower b", "bin/x": "x" }));
    const check = (title: string, body: () => Promise<void>) =>
      test(title, { skip: skip[title] ?? false, timeout: 120_000 }, async () => {
        try {
          await body();
        } finally {
          cleanUp();
        }
      });
    const mountsBelow = (path: string) =>
      parseMountinfo().filter(({ target }) => target.startsWith(`${path}/`)).length;
    const rejectsWith = (promise: Promise<unknown>, kind: "conflict" | "corrupt" | "cancelled") =>
      assert.rejects(promise, (error) => isPlyError(error, kind));

    for (const [title, tars] of Object.entries(layerSets)) {
      check(`${title}: the view and a container's root are the union, entry by entry`, async () => {
        const contents = tars();
        const { stack, driver, dir, root } = setUp(...contents);
        const expected = expectedScan(stack, contents);
        {
          await using view = await driver.view(stack);
          assertSameScan(scanMount(view.path), expected);
        }
        const rootfs = await driver.prepare(dir, stack);
        assertSameScan(scanMount(rootfs.path), expected);
        await driver.discard(dir);
        await driver[Symbol.asyncDispose]();
        assert.equal(mountsBelow(root), 0);
      });

      check(`${title}: the tars come back bit for bit, from any offset, also without the stack`, async () => {
        const contents = tars();
        const { stack, driver } = setUp(...contents);
        const compare = async () => {
          for (const [n, layer] of stack.layers.entries()) {
            const want = Buffer.from(contents[n] ?? []);
            for (const offset of [
              0,
              1,
              511,
              513,
              want.length >> 1,
              want.length - 1,
              want.length,
              want.length + 9,
            ])
              assert.ok(
                (await readAll(driver, layer, offset)).equals(want.subarray(offset)),
                `layer ${n} from ${offset}`,
              );
          }
        };
        await compare();
        await driver.materialize(stack);
        await compare();
        await driver.remove(stack.chainId);
        await compare();
        await driver.materialize(stack);
        await compare();
        await driver[Symbol.asyncDispose]();
      });
    }

    check("materialize is idempotent, and safe from several places at once", async () => {
      const { stack, driver, root } = simple();
      await Promise.all([1, 2, 3].map(() => driver.materialize(stack)));
      const before = fileTimes(root);
      await driver.materialize(stack);
      assert.deepEqual(fileTimes(root), before);
      assert.deepEqual(readdirSync(join(root, "ingest")), []);
      await driver[Symbol.asyncDispose]();
    });

    check("a cancelled materialize leaves nothing", async () => {
      const { stack, driver, root } = simple();
      await rejectsWith(driver.materialize(stack, { signal: AbortSignal.abort() }), "cancelled");
      assert.deepEqual(readdirSync(join(root, "ingest")), []);
      await driver[Symbol.asyncDispose]();
    });

    check("a layer without its index is corrupt and leaves nothing", async () => {
      const { stack, driver, root } = simple();
      rmSync(join(stack.layers[0]?.dir ?? "", "index"));
      await rejectsWith(driver.materialize(stack), "corrupt");
      await rejectsWith(driver.view(stack), "corrupt");
      assert.deepEqual(readdirSync(join(root, "ingest")), []);
      await driver[Symbol.asyncDispose]();
    });

    check("changes go to the upper directory only, in overlayfs form", async () => {
      const { stack, driver, dir } = simple();
      const { path, upper } = await driver.prepare(dir, stack);
      writeFileSync(join(path, "etc/a"), "changed");
      rmSync(join(path, "etc/b"));
      rmSync(join(path, "bin"), { recursive: true });
      mkdirSync(join(path, "bin"));
      writeFileSync(join(path, "new"), "new");
      assert.equal(readFileSync(join(upper, "etc/a"), "utf8"), "changed");
      assert.ok(lstatSync(join(upper, "etc/b")).isCharacterDevice());
      assert.equal(
        Buffer.from(lgetxattr(join(upper, "bin"), "trusted.overlay.opaque") ?? []).toString(),
        "y",
      );
      {
        await using view = await driver.view(stack);
        assert.equal(readFileSync(join(view.path, "etc/a"), "utf8"), "lower a");
        assert.deepEqual(readdirSync(join(view.path, "bin")), ["x"]);
        assert.ok(!existsSync(join(view.path, "new")));
        assert.throws(() => writeFileSync(join(view.path, "no"), ""), /EROFS/);
      }
      await driver.discard(dir);
      await driver[Symbol.asyncDispose]();
    });

    check("containers of one image do not see each other", async () => {
      const { stack, driver, root } = simple();
      const one = await driver.prepare(join(root, "containers/1"), stack);
      const two = await driver.prepare(join(root, "containers/2"), stack);
      writeFileSync(join(one.path, "etc/a"), "one");
      assert.equal(readFileSync(join(two.path, "etc/a"), "utf8"), "lower a");
      await driver.discard(join(root, "containers/1"));
      await driver.discard(join(root, "containers/2"));
      await driver[Symbol.asyncDispose]();
    });

    check("release keeps the upper, prepare brings it back, discard ends it; all idempotent", async () => {
      const { stack, driver, dir } = simple();
      const first = await driver.prepare(dir, stack);
      assert.deepEqual(await driver.prepare(dir, stack), first);
      writeFileSync(join(first.path, "kept"), "kept");
      await driver.release(dir);
      await driver.release(dir);
      assert.deepEqual(readdirSync(first.path), []);
      assert.equal(readFileSync(join(first.upper, "kept"), "utf8"), "kept");
      const second = await driver.prepare(dir, stack);
      assert.equal(readFileSync(join(second.path, "kept"), "utf8"), "kept");
      assert.equal(readFileSync(join(second.path, "etc/a"), "utf8"), "lower a");
      await driver.discard(dir);
      await driver.discard(dir);
      assert.deepEqual(readdirSync(dir), []);
      await driver[Symbol.asyncDispose]();
    });

    check("an ephemeral root works like any other, also after a crash", async () => {
      const { stack, driver, dir } = simple();
      const { path } = await driver.prepare(dir, stack, { isEphemeral: true });
      writeFileSync(join(path, "etc/a"), "changed");
      unmountAll(path);
      await driver.release(dir);
      await driver.prepare(dir, stack, { isEphemeral: true });
      assert.equal(readFileSync(join(path, "etc/a"), "utf8"), "changed");
      await driver.discard(dir);
      await driver[Symbol.asyncDispose]();
    });

    check("other owners outside: the same ones on disk", async () => {
      const { stack, driver, dir, root } = simple();
      for (let path = root; path !== "/"; path = dirname(path))
        if ((statSync(path).mode & 0o001) === 0) chmodSync(path, 0o711);
      const range = [{ inside: 0, outside: 300_000, size: 65_536 }];
      const idMap = { uids: range, gids: range };
      const { path, upper } = await driver.prepare(dir, stack, { idMap });
      assert.equal(statSync(join(path, "etc/a")).uid, 300_000);
      chownSync(join(path, "etc/a"), 300_005, 300_006);
      rmSync(join(path, "etc/b"));
      const { uid, gid } = statSync(join(upper, "etc/a"));
      assert.deepEqual([uid, gid], [5, 6]);
      assert.ok(lstatSync(join(upper, "etc/b")).isCharacterDevice());
      await driver.release(dir);
      const again = await driver.prepare(dir, stack);
      assert.equal(statSync(join(again.path, "etc/a")).uid, 5);
      await driver.discard(dir);
      assert.deepEqual(readdirSync(dir), []);
      await driver[Symbol.asyncDispose]();
    });

    check("a root over nothing is empty and writable", async () => {
      const { driver, dir } = simple();
      const { path } = await driver.prepare(dir, null);
      assert.deepEqual(readdirSync(path), []);
      writeFileSync(join(path, "file"), "x");
      await driver.discard(dir);
      assert.deepEqual(readdirSync(dir), []);
      await driver[Symbol.asyncDispose]();
    });

    check("odd characters in the container's directory do no harm", async () => {
      const { stack, driver, root } = simple();
      const dir = join(root, "containers", "a:b,c\\d e=ü");
      const { path } = await driver.prepare(dir, stack);
      assert.equal(readFileSync(join(path, "etc/a"), "utf8"), "lower a");
      await driver.discard(dir);
      await driver[Symbol.asyncDispose]();
    });

    check(
      "remove is a conflict while a container or a view is there, and frees everything after",
      async () => {
        const { stack, driver, dir, root } = simple();
        await driver.prepare(dir, stack);
        await rejectsWith(driver.remove(stack.chainId), "conflict");
        await driver.discard(dir);
        {
          await using _view = await driver.view(stack);
          await rejectsWith(driver.remove(stack.chainId), "conflict");
        }
        await driver.remove(stack.chainId);
        await driver.remove(stack.chainId);
        assert.deepEqual(await driver.orphans(new Set()), []);
        assert.equal(mountsBelow(root), 0);
        await driver[Symbol.asyncDispose]();
      },
    );

    check("a stack that was removed comes back by itself", async () => {
      const { stack, driver, dir } = simple();
      await driver.materialize(stack);
      await driver.remove(stack.chainId);
      const { path } = await driver.prepare(dir, stack);
      assert.equal(readFileSync(join(path, "etc/a"), "utf8"), "lower a");
      await driver.discard(dir);
      await driver[Symbol.asyncDispose]();
    });

    check("orphans are what no known stack needs", async () => {
      const { stack, driver, root } = simple();
      const other = stackOf([...stack.layers, storeLayer(root, tarOf({ more: "more" }))]);
      await driver.materialize(stack);
      await driver.materialize(other);
      assert.deepEqual(await driver.orphans(new Set([stack.chainId, other.chainId])), []);
      const orphans = await driver.orphans(new Set([stack.chainId]));
      assert.equal(orphans.length, 1);
      assert.match(orphans[0] ?? "", new RegExp(`${other.chainId.slice(7)}$`));
      await driver[Symbol.asyncDispose]();
    });

    check("layers shared by several stacks serve all of them, whichever goes first", async () => {
      const roots = newRoots();
      const [a, b, shared] = [
        tarOf({ base: "a", "dir/only-a": "1" }),
        tarOf({ base: "b", "dir/only-b": "2" }),
        tarOf({ "dir/shared": "content of the shared layer", "dir/only-a": null }),
      ];
      const [layerA, layerB, layerS] = [a, b, shared].map((tar) => storeLayer(roots.root, tar)) as [
        StackLayer,
        StackLayer,
        StackLayer,
      ];
      const driver = makeDriver(roots);
      const [one, two] = [stackOf([layerA, layerS]), stackOf([layerB, layerS])];
      await driver.materialize(one);
      await driver.materialize(two);
      await driver.remove(one.chainId);
      assert.ok((await readAll(driver, layerS, 0)).equals(shared));
      {
        await using view = await driver.view(two);
        assertSameScan(scanMount(view.path), expectedScan(two, [b, shared]));
      }
      await driver.remove(two.chainId);
      assert.ok((await readAll(driver, layerS, 0)).equals(shared));
      await driver.materialize(one);
      {
        await using view = await driver.view(one);
        assertSameScan(scanMount(view.path), expectedScan(one, [a, shared]));
      }
      assert.ok((await readAll(driver, layerS, 0)).equals(shared));
      await driver[Symbol.asyncDispose]();
    });

    for (const depth of [40, 200])
      check(`${depth} layers`, async () => {
        const contents = Array.from({ length: depth }, (_, n) =>
          tarOf({
            [`layer-${n}`]: `${n}`,
            top: `${n}`,
            ...(n > 0 && n % 3 === 0 ? { [`layer-${n - 1}`]: null } : {}),
          }),
        );
        const { stack, driver, dir } = setUp(...contents);
        const expected = expectedScan(stack, contents);
        {
          await using view = await driver.view(stack);
          assertSameScan(scanMount(view.path), expected);
        }
        const { path } = await driver.prepare(dir, stack);
        assertSameScan(scanMount(path), expected);
        await driver.discard(dir);
        await driver[Symbol.asyncDispose]();
      });

    check("after a crash: live containers are adopted, the rest is unmounted", async () => {
      const { stack, root, runRoot, driver } = simple();
      const [live, dead] = [join(root, "containers/live"), join(root, "containers/dead")];
      const other = stackOf([...stack.layers, storeLayer(root, tarOf({ more: "more" }))]);
      const { path } = await driver.prepare(live, stack);
      await driver.prepare(dead, stack);
      await driver.view(other);
      writeFileSync(join(path, "state"), "running");
      // The first driver is forgotten as by kill -9: nothing is released.
      const next = makeDriver({ root, runRoot });
      await next.recover(new Set([live]));
      assert.equal(readFileSync(join(path, "state"), "utf8"), "running");
      assert.deepEqual(readdirSync(join(dead, "rootfs")), []);
      await rejectsWith(next.remove(stack.chainId), "conflict");
      await next.remove(other.chainId);
      assert.deepEqual(await next.prepare(live, stack), { path, upper: join(live, "upper") });
      await next.discard(live);
      await next.discard(dead);
      await next.remove(stack.chainId);
      assert.equal(mountsBelow(root) + mountsBelow(runRoot), 0);
      await next[Symbol.asyncDispose]();
    });

    check("without containers, disposing leaves no mount", async () => {
      const { stack, driver, runRoot } = simple();
      await (await driver.view(stack))[Symbol.asyncDispose]();
      assert.equal(mountsBelow(runRoot), 1);
      await driver[Symbol.asyncDispose]();
      assert.equal(mountsBelow(runRoot), 0);
    });
  });
}

function expectedScan(stack: LayerStack, tars: readonly Uint8Array[]): Scan {
  const indexes = stack.layers.map((layer) => decodeIndex(readFileSync(join(layer.dir, "index"))));
  return scanUnion(unionOf(indexes), (device, offset, length) => {
    const bytes = tars[device]?.subarray(offset, offset + length);
    assert.equal(bytes?.length, length);
    return bytes ?? new Uint8Array();
  });
}

/** Compares line by line, so that a failure shows the paths that differ and not two whole trees. */
export function assertSameScan(found: Scan, expected: Scan): void {
  const differing = [...new Set([...found.keys(), ...expected.keys()])]
    .filter((path) => found.get(path) !== expected.get(path))
    .slice(0, 10)
    .map((path) => ({ path, found: found.get(path), expected: expected.get(path) }));
  assert.deepEqual(differing, []);
}

async function readAll(driver: SnapshotDriver, layer: StackLayer, offset: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of offset === 0 ? driver.openTar(layer) : driver.openTar(layer, offset))
    chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Inode and change time of everything below `chains` and `overlay2`. */
function fileTimes(root: string): string[] {
  return ["chains", "overlay2"].flatMap((name) => {
    const directory = join(root, name);
    if (!existsSync(directory)) return [];
    return readdirSync(directory).map((entry) => {
      const stats = lstatSync(join(directory, entry), { bigint: true });
      return `${name}/${entry} ${stats.ino} ${stats.ctimeNs}`;
    });
  });
}
