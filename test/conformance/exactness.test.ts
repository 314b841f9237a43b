import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { debianRoot, newestErofsUtils } from "../support/debian.ts";
import { type DriverName, openLayerStore } from "../support/layer-store.ts";
import { nastyLayers } from "../support/nasty-layers.ts";
import { unless } from "../support/needs.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { must, run } from "../support/process.ts";
import { differences, readTree, type SeenEntry } from "../support/tree.ts";

const DRIVERS: readonly DriverName[] = ["erofs", "erofs on loop devices", "overlay2"];

/** The tree that a driver shows for these layers, once read-only and once as a container's root. */
async function treesOf(name: DriverName, blobs: readonly Uint8Array[]): Promise<Map<string, SeenEntry>[]> {
  await using layers = await openLayerStore(name);
  const stack = await layers.stack(blobs);
  const trees: Map<string, SeenEntry>[] = [];
  {
    await using view = await layers.driver.view(stack);
    trees.push(readTree(view.path));
  }
  const directory = join(layers.home, "container");
  mkdirSync(directory);
  const rootfs = await layers.driver.prepare(directory, stack);
  trees.push(readTree(rootfs.path));
  await layers.driver.discard(directory);
  // What came in goes out again, bit for bit.
  for (const layer of stack.layers) {
    const hash = createHash("sha256");
    for await (const chunk of layers.driver.openTar(layer)) hash.update(chunk);
    assert.equal(`sha256:${hash.digest("hex")}`, layer.diffId, `${name} gives back the exact tar`);
  }
  return trees;
}

describe("the same tree as other tools make, entry by entry", {
  skip: unless("root", "umoci", "debootstrap"),
  timeout: 300_000,
}, () => {
  let work: string;
  before(() => {
    work = mkdtempSync(join(tmpdir(), "ply-exact-"));
  });
  after(() => rmSync(work, { recursive: true, force: true }));

  test("a nasty set of layers, against umoci", async () => {
    const layers = nastyLayers();
    writeOciLayout(join(work, "layout"), [{ tag: "1", layers: layers.map(({ tar }) => ({ tar })) }]);
    await must("umoci", ["unpack", "--image", `${join(work, "layout")}:1`, join(work, "bundle")]);
    const expected = readTree(join(work, "bundle/rootfs"));
    assert.ok(expected.size > 370, `${expected.size} entries`);
    // umoci gives directories that no layer has an entry for the time of the unpacking.
    const invented = new Set(["", "var", "many", "invented", "invented/parents", "invented/parents/of"]);
    for (const name of DRIVERS)
      for (const [index, tree] of (
        await treesOf(
          name,
          layers.map(({ tar }) => gzipSync(tar)),
        )
      ).entries())
        assert.deepEqual(
          differences(tree, expected, (path) => invented.has(path)),
          [],
          `${name}, ${index === 0 ? "view" : "container"}`,
        );
  });

  test("a Debian root filesystem, against tar", async () => {
    const debian = await debianRoot();
    const expected = readTree(debian.rootfs);
    assert.ok(expected.size > 6000, `${expected.size} entries`);
    for (const name of DRIVERS) {
      const [view] = await treesOf(name, [readFileSync(debian.gzip)]);
      assert.deepEqual(differences(view ?? new Map(), expected), [], name);
    }
  });

  test("sparse files over 4 GiB keep their holes and their content", async () => {
    const source = join(work, "sparse");
    mkdirSync(source);
    await must("sh", [
      "-c",
      `cd ${source} && truncate -s 9G huge && printf head | dd of=huge conv=notrunc status=none && printf tail | dd of=huge bs=1 seek=6442450944 conv=notrunc status=none`,
    ]);
    await must("sh", [
      "-c",
      `cd ${source} && truncate -s 5G empty && printf 'x' > small && truncate -s 70000 odd && printf odd | dd of=odd bs=1 seek=66001 conv=notrunc status=none`,
    ]);
    for (const format of [
      ["--format=gnu"],
      ["--format=pax", "--sparse-version=1.0"],
      ["--format=pax", "--sparse-version=0.1"],
      ["--format=pax", "--sparse-version=0.0"],
    ]) {
      const archive = join(work, "sparse.tar");
      await must("tar", ["-C", source, "-S", ...format, "--sort=name", "-cf", archive, "."]);
      const tar = readFileSync(archive);
      assert.ok(tar.length < 5_000_000, "the archive is sparse");
      const tops = [];
      for (const name of DRIVERS) {
        await using layers = await openLayerStore(name);
        const stack = await layers.stack([tar]);
        await using view = await layers.driver.view(stack);
        const tree = readTree(view.path, { hashUpTo: 1_000_000 });
        tops.push(tree);
        assert.equal(tree.get("huge")?.size, 9n << 30n, `${name} ${format.join(" ")}`);
        const seen = await must("sh", [
          "-c",
          `cd ${view.path} && head -c4 huge && dd if=huge bs=1 skip=6442450944 count=4 status=none && tail -c 1 huge | od -An -tx1 && dd if=empty bs=1M skip=4000 count=1 status=none | tr -d '\\000' | wc -c && sha256sum < odd`,
        ]);
        const odd = createHash("sha256")
          .update(readFileSync(join(source, "odd")))
          .digest("hex");
        assert.equal(
          seen.stdout.replace(/\s+/g, " ").trim(),
          `headtail 00 0 ${odd} -`,
          `${name} ${format.join(" ")}`,
        );
      }
      const [first] = tops;
      for (const tree of tops) assert.deepEqual(differences(tree, first ?? new Map()), [], format.join(" "));
    }
  });

  test("the metadata image is the same, byte for byte, whenever it is made", async () => {
    const blobs = nastyLayers().map(({ tar }) => gzipSync(tar));
    const hashes = new Set<string>();
    for (let time = 0; time < 2; time++) {
      await using layers = await openLayerStore("erofs");
      const { chainId } = await layers.stack(time === 0 ? blobs : nastyLayers().map(({ tar }) => tar));
      const image = readFileSync(join(layers.store.root, "chains", chainId.slice("sha256:".length)));
      hashes.add(createHash("sha256").update(image).digest("hex"));
    }
    assert.equal(hashes.size, 1);
  });

  test("fsck.erofs 1.9 finds nothing to say", async () => {
    const utils = await newestErofsUtils();
    await using layers = await openLayerStore("erofs");
    const stack = await layers.stack(nastyLayers().map(({ tar }) => gzipSync(tar)));
    const image = join(layers.store.root, "chains", stack.chainId.slice("sha256:".length));
    // Its programs are entered by chroot: the files have to be seen from there.
    const seen = join(utils, "mnt");
    await must("mount", ["--bind", layers.store.root, seen]);
    try {
      const inside = (path: string): string => path.replace(layers.store.root, "/mnt");
      const devices = stack.layers.map(({ dir }) => `--device=${inside(dir)}/layer.tar`);
      const fsck = (path: string) =>
        run("chroot", [utils, "fsck.erofs", "--extract", ...devices, inside(path)]);
      const checked = await fsck(image);
      assert.equal(checked.code, 0, checked.stdout + checked.stderr);
      // It does look: damaged directories are found.
      const bytes = readFileSync(image);
      bytes.fill(0xff, bytes.length - 4096);
      const damaged = join(layers.store.root, "damaged");
      writeFileSync(damaged, bytes);
      assert.notEqual((await fsck(damaged)).code, 0);
    } finally {
      await must("umount", [seen]);
    }
  });

  test("what one writes into the container's root does not touch the layers", async () => {
    for (const name of DRIVERS) {
      await using layers = await openLayerStore(name);
      const stack = await layers.stack(nastyLayers().map(({ tar }) => gzipSync(tar)));
      await using view = await layers.driver.view(stack);
      const before = readTree(view.path);
      const directory = join(layers.home, "container");
      mkdirSync(directory);
      const rootfs = await layers.driver.prepare(directory, stack);
      writeFileSync(join(rootfs.path, "etc/passwd"), "changed");
      rmSync(join(rootfs.path, "gone"), { recursive: true });
      assert.deepEqual(differences(readTree(view.path), before), [], name);
      await layers.driver.discard(directory);
    }
  });
});
