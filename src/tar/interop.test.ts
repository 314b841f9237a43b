import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TarEntry } from "./entry.ts";
import { createTarScanner } from "./scan.ts";
import { TAR_END, type TarHeaderFields, tarHeader, tarPadding } from "./write.ts";

const hasGnuTar = /GNU tar/.test(spawnSync("tar", ["--version"], { encoding: "utf8" }).stdout ?? "");
const hasPython = spawnSync("python3", ["-c", "import tarfile"]).status === 0;
const noTar = hasGnuTar ? false : "GNU tar is not installed";
const noPython = hasPython ? false : "python3 is not installed";

let dir = "";
/** Whether files here can have user xattrs. */
let hasXattrs = false;

before(() => {
  dir = fs.mkdtempSync(join(tmpdir(), "ply-tar-"));
  const tree = join(dir, "tree");
  fs.mkdirSync(join(tree, "directory"), { recursive: true });
  fs.writeFileSync(join(tree, "file"), "content");
  fs.writeFileSync(join(tree, "directory", "n".repeat(150)), "long name");
  fs.writeFileSync(Buffer.from(`${tree}/\xe4\xff`, "latin1"), "not UTF-8");
  fs.symlinkSync("t".repeat(200), join(tree, "symlink"));
  fs.linkSync(join(tree, "file"), join(tree, "hardlink"));
  const holes = fs.openSync(join(tree, "sparse"), "w");
  // More runs than one old GNU header (4) and one extension block (21) hold.
  for (let i = 0; i < 30; i++) fs.writeSync(holes, Buffer.alloc(4096, i + 1), 0, 4096, i * 1_000_000 * 4);
  fs.ftruncateSync(holes, 200_000_000);
  fs.closeSync(holes);
  fs.utimesSync(join(tree, "file"), 1.25, 1.25);
  // Node and Bun take negative times for the present one.
  spawnSync("touch", ["-d", "@-1.5", join(tree, "directory")]);
  hasXattrs = spawnSync("setfattr", ["-n", "user.test", "-v", "value", join(tree, "file")]).status === 0;
});

after(() => fs.rmSync(dir, { recursive: true, force: true }));

function scanAll(archive: Uint8Array): { entry: TarEntry; data: string }[] {
  const got: { entry: TarEntry; data: string }[] = [];
  const scanner = createTarScanner({
    onEntry: (entry) => got.push({ entry, data: "" }),
    onData: (chunk) => {
      const last = got.at(-1);
      if (last !== undefined) last.data += Buffer.from(chunk).toString("latin1");
    },
  });
  for (let at = 0; at < archive.length; at += 10_000) scanner.push(archive.subarray(at, at + 10_000));
  scanner.end();
  return got;
}

describe("archives by GNU tar", { skip: noTar }, () => {
  for (const format of ["v7", "ustar", "oldgnu", "gnu", "pax"])
    test(`format ${format}`, () => {
      // v7 and ustar have no room for a long link or a time before 1970: tar says so and leaves those out.
      const { stdout } = spawnSync(
        "tar",
        ["-c", `--format=${format}`, "-C", join(dir, "tree"), "--exclude=sparse", "."],
        {
          maxBuffer: 1 << 26,
        },
      );
      const got = new Map(scanAll(stdout).map((item) => [item.entry.path, item]));
      assert.equal(got.get("./file")?.data ?? got.get("./hardlink")?.data, "content");
      assert.equal(got.get("./\xe4\xff")?.data, "not UTF-8");
      if (format === "v7" || format === "ustar") return;
      assert.equal(got.get("./directory/")?.entry.type, "directory");
      assert.equal(got.get(`./directory/${"n".repeat(150)}`)?.data, "long name");
      assert.equal(got.get("./symlink")?.entry.linkTarget, "t".repeat(200));
      const directory = got.get("./directory/")?.entry;
      const nanos = format === "pax" ? 500_000_000 : 0;
      assert.deepEqual([directory?.mtimeSeconds, directory?.mtimeNanos], [-2, nanos]);
    });

  for (const options of [
    ["--format=gnu"],
    ["--format=pax", "--sparse-version=0.0"],
    ["--format=pax", "--sparse-version=0.1"],
    ["--format=pax", "--sparse-version=1.0"],
  ])
    test(`sparse file, ${options.join(" ")}`, () => {
      const tree = join(dir, "tree");
      const archive = execFileSync("tar", ["-c", "--sparse", ...options, "-C", tree, "sparse", "file"], {
        maxBuffer: 1 << 26,
      });
      const [sparse, file] = scanAll(archive);
      assert.equal(sparse?.entry.path, "sparse");
      assert.equal(sparse?.entry.size, 200_000_000);
      const original = fs.readFileSync(join(tree, "sparse"));
      const copy = Buffer.alloc(200_000_000);
      let at = 0;
      for (const { offset, length } of sparse?.entry.extents ?? []) {
        copy.write((sparse?.data ?? "").slice(at, at + length), offset, "latin1");
        at += length;
      }
      assert((sparse?.entry.storedSize ?? 0) < 1_000_000);
      assert(copy.equals(original));
      assert.equal(file?.data, "content");
    });

  test("xattrs", (t) => {
    if (!hasXattrs) {
      t.skip("no user xattrs here, or no setfattr");
      return;
    }
    const archive = execFileSync("tar", ["-c", "--xattrs", "--format=pax", "-C", join(dir, "tree"), "file"]);
    assert.equal(Buffer.from(scanAll(archive)[0]?.entry.xattrs.get("user.test") ?? []).toString(), "value");
  });
});

interface Member {
  readonly fields: TarHeaderFields;
  readonly data?: string;
}

const MEMBERS: readonly Member[] = [
  { fields: { path: "plain", type: "file", mode: 0o640, size: 5, mtimeSeconds: 1000 }, data: "plain" },
  { fields: { path: `${"d".repeat(90)}/${"e".repeat(90)}`, type: "file", mode: 0o600, size: 1 }, data: "p" },
  {
    fields: { path: "l".repeat(200), type: "file", mode: 0o600, size: 1, mtimeSeconds: -2, mtimeNanos: 5e8 },
    data: "l",
  },
  { fields: { path: `\xff${"b".repeat(120)}`, type: "file", mode: 0o600, size: 1 }, data: "b" },
  { fields: { path: "dir/", type: "directory", mode: 0o755 } },
  { fields: { path: "dir/symlink", type: "symlink", mode: 0o777, linkTarget: `../${"t".repeat(150)}` } },
  { fields: { path: "dir/hard", type: "hardlink", mode: 0o640, linkTarget: "plain" } },
  {
    fields: {
      path: "holes",
      type: "file",
      mode: 0o644,
      size: 100_000,
      extents: [
        { offset: 4096, length: 512 },
        { offset: 65_536, length: 2 },
      ],
    },
    data: `${"abc".padEnd(512, ".")}de`,
  },
];

function ourArchive(members: readonly Member[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { fields, data = "" } of members)
    parts.push(tarHeader(fields), Buffer.from(data, "latin1"), tarPadding(data.length));
  return Buffer.concat([...parts, TAR_END]);
}

describe("our archives", () => {
  test("GNU tar unpacks them", { skip: noTar }, () => {
    const out = join(dir, "out");
    fs.mkdirSync(out);
    const { stderr, status } = spawnSync("tar", ["-x", "--no-same-owner", "-p", "-C", out], {
      input: ourArchive(MEMBERS),
      encoding: "utf8",
    });
    // It warns of what POSIX has for names that are not UTF-8, and takes them all the same.
    const warnings = /.*(implausibly old time stamp|unknown extended header keyword 'hdrcharset').*\n/g;
    assert.deepEqual([status, stderr.replace(warnings, "")], [0, ""]);
    for (const { fields, data } of MEMBERS) {
      const path = Buffer.from(`${out}/${fields.path}`, "latin1");
      const stat = fs.lstatSync(path);
      if (fields.type === "symlink") assert.equal(fs.readlinkSync(path), fields.linkTarget);
      else if (fields.extents === undefined && fields.type === "file")
        assert.equal(fs.readFileSync(path, "latin1"), data);
      if (fields.type !== "symlink") assert.equal(stat.mode & 0o7777, fields.mode);
    }
    assert.equal(fs.lstatSync(join(out, "l".repeat(200))).mtimeMs, -1500);
    assert.equal(fs.lstatSync(join(out, "plain")).ino, fs.lstatSync(join(out, "dir/hard")).ino);
    const holes = fs.readFileSync(join(out, "holes"));
    assert.deepEqual(
      [holes.length, holes.toString("latin1", 4096, 4099), holes.toString("latin1", 65_536, 65_538)],
      [100_000, "abc", "de"],
    );
  });

  test("Python reads the same in them", { skip: noPython }, () => {
    const xattrs = new Map([["user.x", Uint8Array.of(0, 10, 0x41)]]);
    const big = {
      path: "big",
      type: "fifo",
      mode: 0o600,
      uid: 3_000_000,
      gid: 4_000_000_000,
      xattrs,
    } as const;
    const archive = join(dir, "ours.tar");
    fs.writeFileSync(archive, ourArchive([...MEMBERS, { fields: big }]));
    const script =
      "import sys,tarfile,json\n" +
      "t=tarfile.open(sys.argv[1],errors='surrogateescape')\n" +
      "f=lambda s:s.encode('utf-8','surrogateescape').decode('latin1')\n" +
      "print(json.dumps([[f(m.name),m.size,m.mode,m.uid,m.gid,float(m.mtime),f(m.linkname)] for m in t]))";
    const got = JSON.parse(execFileSync("python3", ["-c", script, archive], { encoding: "utf8" }));
    assert.deepEqual(
      got,
      [...MEMBERS.map(({ fields }) => fields), big].map((fields: TarHeaderFields) => [
        fields.path.replace(/\/$/, ""),
        fields.size ?? 0,
        fields.mode,
        fields.uid ?? 0,
        fields.gid ?? 0,
        (fields.mtimeSeconds ?? 0) + (fields.mtimeNanos ?? 0) / 1e9,
        fields.linkTarget ?? "",
      ]),
    );
  });
});
