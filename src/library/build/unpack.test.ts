import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { isPlyError } from "../../error.ts";
import { TAR_END, type TarHeaderFields, tarHeader, tarPadding } from "../../tar/index.ts";
import { unpackInto } from "./unpack.ts";

type Member = Omit<TarHeaderFields, "size" | "mode"> & { readonly mode?: number; readonly data?: string };

async function* tarOf(...members: readonly Member[]): AsyncGenerator<Uint8Array> {
  for (const { data = "", ...fields } of members) {
    yield tarHeader({ mode: 0o644, ...fields, size: data.length });
    yield Buffer.from(data);
    yield tarPadding(data.length);
  }
  yield TAR_END;
}

describe("files written into a directory", () => {
  let home = "";
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "ply-unpack-"));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  test("are files, directories with their modes and times, links; no devices", async () => {
    const out = join(home, "out");
    await unpackInto(
      out,
      tarOf(
        { path: "./", type: "directory", mode: 0o755 },
        { path: "d/", type: "directory", mode: 0o555, mtimeSeconds: 1000 },
        { path: "d/f", type: "file", mode: 0o4711, data: "data", mtimeSeconds: 2000 },
        { path: "d/s", type: "symlink", linkTarget: "/etc" },
        { path: "d/h", type: "hardlink", linkTarget: "d/f" },
        { path: "null", type: "char", devMajor: 1, devMinor: 3 },
        { path: "deep/er/f", type: "file" },
      ),
    );
    const at = (path: string) => lstatSync(join(out, path));
    assert.deepEqual(readdirSync(out).sort(), ["d", "deep"]);
    assert.deepEqual([at("d").mode & 0o7777, at("d").mtimeMs], [0o555, 1_000_000]);
    assert.deepEqual([at("d/f").mode & 0o7777, at("d/f").mtimeMs, at("d/f").nlink], [0o711, 2_000_000, 2]);
    assert.equal(readFileSync(join(out, "d/h"), "utf8"), "data");
    assert.equal(readlinkSync(join(out, "d/s")), "/etc");
  });

  const hostile: readonly (readonly [name: string, kind: string, members: readonly Member[]])[] = [
    ["a path that leads out", "corrupt", [{ path: "a/../../f", type: "file" }]],
    ["a hard link that leads out", "corrupt", [{ path: "f", type: "hardlink", linkTarget: "../secret" }]],
    [
      "a link of its own on the way",
      "conflict",
      [
        { path: "l", type: "symlink", linkTarget: ".." },
        { path: "l/f", type: "file" },
      ],
    ],
    ["a link on the way that was there", "conflict", [{ path: "old/f", type: "file" }]],
    ["a link in place of a directory", "conflict", [{ path: "old/", type: "directory" }]],
    ["a directory in place of which a file would come", "conflict", [{ path: "dir", type: "file" }]],
  ];
  for (const [name, kind, members] of hostile)
    test(`${name} is refused`, async () => {
      const out = join(home, "out");
      mkdirSync(join(out, "dir"), { recursive: true });
      symlinkSync(home, join(out, "old"));
      await assert.rejects(
        unpackInto(out, tarOf(...members)),
        (error) => isPlyError(error) && error.kind === kind,
      );
      assert.deepEqual(readdirSync(home), ["out"]);
    });

  test("a link that is replaced is not written through", async () => {
    const out = join(home, "out");
    mkdirSync(out);
    symlinkSync(join(home, "elsewhere"), join(out, "f"));
    await unpackInto(out, tarOf({ path: "f", type: "file", data: "x" }));
    assert.deepEqual([readdirSync(home), lstatSync(join(out, "f")).isFile()], [["out"], true]);
  });
});
