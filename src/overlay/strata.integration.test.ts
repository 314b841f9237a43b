import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { lgetxattrs, lremovexattr, lsetxattr } from "../linux/index.ts";
import { captureStrata, mountOverlay, reviveStrata, type Strata, tidyStrata, unmountAll } from "./index.ts";

/** Numbers that look random and are the same each time. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe("strata", () => {
  let scratch = "";
  before(() => {
    scratch = mkdtempSync(join(tmpdir(), "ply-strata-"));
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  /** A home with a first stratum, over a base or over nothing. */
  function makeHome(name: string, hasBase: boolean) {
    const home = join(scratch, name, "home");
    const base = hasBase ? [join(scratch, name, "base")] : [];
    for (const directory of [join(home, "first"), ...base]) mkdirSync(directory, { recursive: true });
    const at = join(scratch, name, "at");
    mkdirSync(at);
    const mounted = <T>(strata: Strata, use: (path: string) => T): T => {
      const [upper = "", ...below] = strata.map((each) => join(home, each));
      if (below.length + base.length === 0) return use(upper);
      const work = join(home, "work");
      rmSync(work, { recursive: true, force: true });
      mkdirSync(work);
      mountOverlay({ lowers: [...below, ...base], writable: { upper, work }, target: at });
      try {
        return use(at);
      } finally {
        unmountAll(at);
      }
    };
    return { home, base: base[0], mounted };
  }

  for (const hasBase of [true, false])
    test(`keep, change, go back, forget, over ${hasBase ? "an image" : "nothing"}: every tree stays what it was`, async () => {
      for (let seed = 1; seed <= 5; seed++) {
        const random = randomFrom(seed);
        const { home, base, mounted } = makeHome(`walk-${hasBase}-${seed}`, hasBase);
        if (base !== undefined) for (let n = 0; n < 12; n++) change(base, random);
        let live: Strata = ["first"];
        let expected = mounted(live, treeOf);
        let kept: { strata: Strata; tree: string[] }[] = [];
        for (let step = 0; step < 14; step++) {
          const what = random(6);
          const some = kept[random(kept.length)];
          if (what === 0 || kept.length === 0) {
            const captured = await captureStrata(home, live, { isMounted: random(5) === 0 });
            live = captured.live;
            kept.push({ strata: captured.kept, tree: expected });
          } else if (what === 1 && some !== undefined) {
            live = await reviveStrata(home, some.strata);
            expected = some.tree;
          } else if (what === 2 && some !== undefined) {
            kept = kept.filter((each) => each !== some);
            await tidyStrata(home, {
              live,
              kept: kept.map(({ strata }) => strata),
              isWhole: !hasBase,
              isMounted: false,
              onFold(name) {
                live = live.filter((each) => each !== name);
                kept = kept.map((each) => ({
                  ...each,
                  strata: each.strata.filter((other) => other !== name),
                }));
                assert.deepEqual(
                  mounted(live, treeOf),
                  expected,
                  `seed ${seed} step ${step}: fold of ${name}`,
                );
              },
            });
            const known = new Set([live, ...kept.map(({ strata }) => strata)].flat());
            const left = readdirSync(home).filter((name) => name.startsWith("layer-") && !known.has(name));
            assert.deepEqual(left, []);
          } else
            expected = mounted(live, (path) => {
              for (let n = 0; n < 4; n++) change(path, random);
              return treeOf(path);
            });
          assert.deepEqual(mounted(live, treeOf), expected, `seed ${seed} step ${step}: what lives`);
          for (const { strata, tree } of kept)
            assert.deepEqual(mounted(strata, treeOf), tree, `seed ${seed} step ${step}: what is kept`);
        }
        // All forgotten, it is one directory again.
        await tidyStrata(home, {
          live,
          kept: [],
          isWhole: !hasBase,
          isMounted: false,
          onFold: (name) => {
            live = live.filter((each) => each !== name);
          },
        });
        assert.equal(live.length, 1);
        assert.deepEqual(mounted(live, treeOf), expected, `seed ${seed}: alone`);
      }
    });
});

/** Something small that a program may do to a tree. */
function change(root: string, random: (below: number) => number): void {
  const name = () => `n${random(4)}`;
  const depth = random(3);
  const path = join(root, ...Array.from({ length: depth }, name), name());
  const parent = join(path, "..");
  if (!existsSync(parent) || !lstatSync(parent).isDirectory()) {
    if (!existsSync(join(parent, "..")) || !lstatSync(join(parent, "..")).isDirectory()) return;
    rmSync(parent, { recursive: true, force: true });
    mkdirSync(parent);
  }
  const remove = () => rmSync(path, { recursive: true, force: true });
  const stat = lstatSync(path, { throwIfNoEntry: false });
  switch (random(7)) {
    case 0:
      remove();
      break;
    case 1:
      if (stat?.isDirectory()) remove();
      writeFileSync(path, `text ${random(1000)}`);
      break;
    case 2:
      if (stat !== undefined && !stat.isDirectory()) remove();
      mkdirSync(path, { recursive: true });
      break;
    case 3:
      remove();
      symlinkSync(`to-${random(9)}`, path);
      break;
    case 4:
      if (stat !== undefined && !stat.isSymbolicLink()) chmodSync(path, 0o700 + random(64));
      break;
    case 5:
      if (stat?.isFile() || stat?.isDirectory()) {
        const known = lgetxattrs(path).has("user.mark");
        if (known && random(2) === 0) lremovexattr(path, "user.mark");
        else lsetxattr(path, "user.mark", Buffer.from(`m${random(9)}`));
      }
      break;
    default: {
      const to = join(root, name());
      // A directory of a lower layer cannot be renamed (EXDEV): mv(1) would copy it.
      if (stat?.isFile() && !lstatSync(to, { throwIfNoEntry: false })?.isDirectory()) renameSync(path, to);
    }
  }
}

/** All that a program sees, times apart. */
function treeOf(root: string): string[] {
  const found: string[] = [];
  const walk = (path: string, name: string): void => {
    const stat = lstatSync(path);
    const marks = stat.isSymbolicLink() ? undefined : lgetxattrs(path).get("user.mark");
    const content = stat.isFile()
      ? readFileSync(path, "utf8")
      : stat.isSymbolicLink()
        ? readlinkSync(path)
        : "";
    found.push(`${name} ${stat.mode.toString(8)} ${content} ${Buffer.from(marks ?? []).toString()}`);
    if (stat.isDirectory())
      for (const child of readdirSync(path).sort()) walk(join(path, child), `${name}/${child}`);
  };
  walk(root, "");
  return found;
}
