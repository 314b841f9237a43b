import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, describe, test } from "node:test";
import { MNT, mount, umount } from "../linux/index.ts";
import { tidyStrata, unmountAll } from "../overlay/index.ts";
import { createTarScanner, type TarEntry } from "../tar/index.ts";
import { diffUpper } from "./diff.ts";
import { indexOfTar, listTree, type Part, tarOf, whyNoErofs, withMountedUnion } from "./testing/index.ts";
import { unionOf } from "./union.ts";
import { changesOfUpper } from "./upper-changes.ts";

const dir = mkdtempSync(join(tmpdir(), "ply-diff-"));
after(() => rmSync(dir, { recursive: true, force: true }));
const skip = await whyNoErofs(dir);

const OPTIONS = "index=off,metacopy=off,redirect_dir=off";

const BASE: Part[] = [
  { path: "./", type: "directory" },
  { path: "etc/", type: "directory", mtimeSeconds: 50 },
  { path: "etc/passwd", content: "root" },
  { path: "etc/motd", content: "hello" },
  { path: "same/", type: "directory", mtimeNanos: 5 },
  { path: "same/deep/", type: "directory" },
  { path: "same/deep/file", content: "untouched" },
  { path: "gone/", type: "directory" },
  { path: "gone/sub/", type: "directory" },
  { path: "gone/sub/x", content: "x" },
  { path: "replaced/", type: "directory" },
  { path: "replaced/old", content: "o" },
  { path: "replaced/both", content: "o" },
  { path: "replaced/sub/", type: "directory" },
  { path: "replaced/sub/x", content: "o" },
  { path: "tofile/", type: "directory" },
  { path: "tofile/x", content: "x" },
  { path: "todir", content: "t" },
  { path: "link", type: "symlink", mode: 0o777, linkTarget: "etc" },
  { path: "chmod", content: "c" },
  { path: "chmoddir/", type: "directory" },
  { path: "chmoddir/in", content: "c" },
  { path: "caf\xe9/", type: "directory" },
  { path: "caf\xe9/\xff", content: "bytes" },
];

const CHANGES = String.raw`
  echo changed >> etc/passwd; rm etc/motd; rm -r gone
  rm -r replaced; mkdir replaced; echo n > replaced/new; echo n > replaced/both; mkdir replaced/sub; echo n > replaced/sub/y
  rm -r tofile; echo file > tofile; rm todir; mkdir -m 700 todir; echo in > todir/in
  rm link; ln -s nowhere link
  chmod 4711 chmod; chmod 1777 chmoddir
  touch same/deep/new; rm same/deep/new; touch -d @1000 same/deep
  mkdir -p new/dir; echo a > new/a; ln new/a new/b; ln new/a new/dir/c; ln -s a new/l
  mkfifo new/fifo; mknod new/null c 1 3; mknod new/blk b 259 70000
  touch -d @1234567890.123456789 new/a; chown 70000:80000 new/a
  dd if=/dev/urandom of=new/big bs=100k count=11 status=none
  echo x > "new/$(printf '\377\n.')"; rm "$(printf 'caf\351/\377')"
  python3 -c 'import os
os.setxattr("new/big","user.note",b"\x00hi\n"); os.setxattr("new/big","security.capability",bytes.fromhex("0100000200200000000000000000000000000000"))
import socket; s=socket.socket(socket.AF_UNIX); s.bind("new/socket")'
  echo hidden > new/.wh.trap
`;

/** Over the first: files it made, replaced, deleted, and those of the base. */
const MORE_CHANGES = `
  echo more >> etc/passwd; echo again > etc/motd; mkdir gone; echo y > gone/y
  rm -r new/dir; mkdir new/dir; echo d > new/dir/d; rm new/l; rm tofile; mkdir tofile; echo z > tofile/z
  rm -r replaced; echo file > replaced; chmod 600 chmod; rm -r same; rm -r chmoddir; mkdir chmoddir
  setfattr -x user.note new/big
`;

/** Runs `use` on the upper directory that the changes make over the base, and on the merged view of it. */
async function withChanges(
  changes: string,
  use: (context: { upper: string; merged: string; baseTar: string }) => Promise<void>,
): Promise<void> {
  const baseTar = join(dir, "base.tar");
  writeFileSync(baseTar, tarOf(...BASE));
  const place = mkdtempSync(join(dir, "overlay-"));
  const [upper, work, merged] = [join(place, "upper"), join(place, "work"), join(place, "merged")];
  for (const path of [upper, work, merged]) mkdirSync(path);
  await withMountedUnion(place, [baseTar], async (lower) => {
    mount("overlay", merged, "overlay", 0, `lowerdir=${lower},upperdir=${upper},workdir=${work},${OPTIONS}`);
    try {
      execFileSync("bash", ["-ec", changes], { cwd: merged });
      await use({ upper, merged, baseTar });
    } finally {
      unmountAll(merged);
    }
  });
}

async function entriesOf(chunks: AsyncIterable<Uint8Array>): Promise<{ tar: Buffer; entries: TarEntry[] }> {
  const pieces: Uint8Array[] = [];
  for await (const chunk of chunks) pieces.push(chunk);
  const tar = Buffer.concat(pieces);
  const entries: TarEntry[] = [];
  const scanner = createTarScanner({ onEntry: (entry) => void entries.push(entry) });
  scanner.push(tar);
  scanner.end();
  return { tar, entries };
}

describe("the layer made of an upper directory", { skip }, () => {
  test("on top of its base it is what the container saw", { timeout: 60_000 }, () =>
    withChanges(CHANGES, async ({ upper, merged, baseTar }) => {
      execFileSync("rm", ["-r", "new/socket", "new/.wh.trap"], { cwd: merged });
      const { tar } = await entriesOf(diffUpper(upper, { base: unionOf([indexOfTar(baseTar)]) }));
      const layerTar = join(dir, "layer.tar");
      writeFileSync(layerTar, tar);
      const seen = listTree(merged);
      const made = await withMountedUnion(dir, [baseTar, layerTar], listTree);
      // overlayfs counts one link for a merged directory, and the root's time is not kept.
      const comparable = ([path, line]: [string, string]) =>
        [
          path,
          line.replace(/^(mode 4\d+ .*) nlink \d+/, "$1").replace(path === "" ? /mtime \d+/ : "", ""),
        ] as const;
      assert.deepEqual(new Map([...made].map(comparable)), new Map([...seen].map(comparable)));
    }),
  );

  test("holds just the changes, in byte order, with nothing of overlayfs", { timeout: 60_000 }, () =>
    withChanges(CHANGES, async ({ upper, baseTar }) => {
      const notices: string[] = [];
      const options = {
        base: unionOf([indexOfTar(baseTar)]),
        onNotice: (text: string) => notices.push(text),
      };
      const { tar, entries } = await entriesOf(diffUpper(upper, options));
      assert.deepEqual(
        entries.map((entry) => `${entry.type} ${entry.path}${entry.linkTarget && ` -> ${entry.linkTarget}`}`),
        [
          "directory caf\xe9/",
          "file caf\xe9/.wh.\xff",
          "file chmod",
          "directory chmoddir/",
          "directory etc/",
          "file etc/.wh.motd",
          "file etc/passwd",
          "file .wh.gone",
          "symlink link -> nowhere",
          "directory new/",
          "file new/a",
          "hardlink new/b -> new/a",
          "file new/big",
          "block new/blk",
          "directory new/dir/",
          "hardlink new/dir/c -> new/a",
          "fifo new/fifo",
          "symlink new/l -> a",
          "char new/null",
          "file new/\xff\n.",
          "directory replaced/",
          "file replaced/.wh..wh..opq",
          "file replaced/both",
          "file replaced/new",
          "directory replaced/sub/",
          "file replaced/sub/y",
          "directory todir/",
          "file todir/in",
          "file tofile",
        ],
      );
      assert.equal(notices.length, 2);
      for (const { xattrs } of entries)
        assert.ok(![...xattrs.keys()].some((name) => name.includes("overlay")));
      const again = await entriesOf(diffUpper(upper, options));
      assert.ok(again.tar.equals(tar));
      const a = entries.find((entry) => entry.path === "new/a");
      assert.deepEqual([a?.mtimeSeconds, a?.mtimeNanos, a?.uid], [1234567890, 123456789, 70000]);
    }),
  );

  test("nothing changed gives an empty archive", () =>
    withChanges("ls -lR > /dev/null; touch -c -d @1000.000000005 same", async ({ upper, baseTar }) => {
      const base = unionOf([indexOfTar(baseTar)]);
      const { entries } = await entriesOf(diffUpper(upper, { base }));
      assert.deepEqual(entries, []);
      assert.deepEqual(changesOfUpper(upper, base), []);
    }));

  test(
    "several strata make the layer that they make when they are folded into one",
    { timeout: 60_000 },
    () =>
      withChanges(CHANGES, async ({ upper, merged, baseTar }) => {
        const home = join(upper, "..");
        const second = join(home, "layer-0000000000000001");
        const base = unionOf([indexOfTar(baseTar)]);
        umount(merged, MNT.DETACH);
        mkdirSync(second);
        await withMountedUnion(home, [baseTar], async (lower) => {
          const [work, lowers] = [join(home, "work"), `${upper}:${lower}`];
          mount(
            "overlay",
            merged,
            "overlay",
            0,
            `lowerdir=${lowers},upperdir=${second},workdir=${work},${OPTIONS}`,
          );
          execFileSync("bash", ["-ec", MORE_CHANGES], { cwd: merged });
          umount(merged, MNT.DETACH);
        });
        const strata = [second, upper];
        const before = await entriesOf(diffUpper(strata, { base }));
        const changes = changesOfUpper(strata, base);
        await tidyStrata(home, {
          live: strata.map((path) => basename(path)),
          kept: [],
          isWhole: false,
          isMounted: false,
          onFold: () => undefined,
        });
        const after = await entriesOf(diffUpper(upper, { base }));
        assert.deepEqual(
          before.entries.map(({ path, type }) => `${type} ${path}`),
          after.entries.map(({ path, type }) => `${type} ${path}`),
        );
        assert.ok(before.tar.equals(after.tar));
        assert.deepEqual(changesOfUpper(upper, base), changes);
      }),
  );

  test("stops when it is cancelled", () =>
    withChanges("echo x > y", async ({ upper }) => {
      const signal = AbortSignal.abort();
      await assert.rejects(entriesOf(diffUpper(upper, { base: null, signal })), { kind: "cancelled" });
    }));
});

test("changes as docker diff tells them", { skip, timeout: 60_000 }, () =>
  withChanges(CHANGES, async ({ upper, baseTar }) => {
    const letters = { added: "A", modified: "C", deleted: "D" };
    const changes = changesOfUpper(upper, unionOf([indexOfTar(baseTar)]));
    assert.deepEqual(
      changes.map(({ path, kind }) => `${letters[kind]} /${path}`),
      [
        "C /caf\xe9",
        "D /caf\xe9/\xff",
        "C /chmod",
        "C /chmoddir",
        "C /etc",
        "D /etc/motd",
        "C /etc/passwd",
        "D /gone",
        "C /link",
        "A /new",
        "A /new/.wh.trap",
        "A /new/a",
        "A /new/b",
        "A /new/big",
        "A /new/blk",
        "A /new/dir",
        "A /new/dir/c",
        "A /new/fifo",
        "A /new/l",
        "A /new/null",
        "A /new/socket",
        "A /new/\xff\n.",
        "C /replaced",
        "C /replaced/both",
        "A /replaced/new",
        "D /replaced/old",
        "C /replaced/sub",
        "D /replaced/sub/x",
        "A /replaced/sub/y",
        "C /todir",
        "A /todir/in",
        "C /tofile",
      ],
    );
  }),
);
