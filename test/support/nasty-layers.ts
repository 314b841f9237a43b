import { readFileSync } from "node:fs";
import { type Member, tarball } from "./tarball.ts";

/** Three layers that hold everything a tar layer may hold and most tools get wrong. Bottom first. */
export interface NastyLayer {
  readonly name: string;
  readonly tar: Buffer;
}

const utf8 = (text: string): Buffer => Buffer.from(text);
/** `cap_net_raw+ep` as the kernel stores it (VFS_CAP_REVISION_2). */
const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex");
/** A path of about 4,000 bytes in components of 200. */
export const LONG_DIRECTORY = Array.from({ length: 19 }, (_, index) => `${index}`.padStart(200, "d")).join(
  "/",
);
export const NAME_255 = "n".repeat(255);
export const NOT_UTF8 = Buffer.from([0x66, 0xff, 0xfe, 0x80, 0x6f]);

function longParents(): Member[] {
  const parts = `deep/${LONG_DIRECTORY}`.split("/");
  return parts.map((_, index) => ({
    name: `${parts.slice(0, index + 1).join("/")}/`,
    type: "5",
    mode: 0o750,
  }));
}

function base(): Member[] {
  return [
    { name: "./", type: "5", mode: 0o755 },
    { name: "./bin/", type: "5" },
    { name: "./bin/busybox", mode: 0o755, data: readFileSync("/usr/bin/busybox") },
    { name: "./bin/sh", type: "2", link: "busybox" },
    { name: "./tmp/", type: "5", mode: 0o1777 },
    { name: "./var/lock/", type: "5", mode: 0o1777, uid: 5, gid: 6, mtime: 1_600_000_000 },
    { name: "./etc/", type: "5" },
    { name: "./etc/passwd", data: "root:x:0:0:root:/root:/bin/sh\n", mode: 0o644 },
    { name: "./etc/empty", data: "" },
    { name: "./etc/link", type: "2", link: "passwd" },
    { name: "./etc/dangling", type: "2", link: "../no/where" },
    { name: "./etc/longlink", type: "2", link: "x/".repeat(400) },
    // Hard links across directories, also of a symlink's and a device's neighbour.
    { name: "./hard/", type: "5" },
    { name: "./hard/one", data: "shared by three\n", mode: 0o640, uid: 1000, gid: 1001 },
    { name: "./etc/two", type: "1", link: "./hard/one" },
    { name: "./hard/three", type: "1", link: "hard/one" },
    { name: "./hard/kept", data: "the name goes, the inode stays\n" },
    { name: "./hard/kept-too", type: "1", link: "hard/kept" },
    // Special files.
    { name: "./dev/", type: "5" },
    { name: "./dev/null", type: "3", major: 1, minor: 3, mode: 0o666 },
    { name: "./dev/big", type: "4", major: 259, minor: 70_000, mode: 0o660, gid: 6 },
    { name: "./dev/pipe", type: "6", mode: 0o600 },
    // Modes, owners, times.
    { name: "./bin/su", mode: 0o4755, data: "setuid" },
    { name: "./bin/write", mode: 0o2755, gid: 5, data: "setgid" },
    { name: "./etc/secret", mode: 0o000, data: "nobody" },
    { name: "./etc/big-ids", uid: 3_000_000_000, gid: 172_761_424, data: "ids" },
    { name: "./etc/before-1970", mtime: "-86400.25", data: "old" },
    { name: "./etc/nanos", mtime: "1700000000.123456789", data: "fine" },
    { name: "./etc/future", mtime: 9_000_000_000, data: "far" },
    // Extended attributes.
    { name: "./bin/ping", mode: 0o755, data: "ping", xattrs: { "security.capability": CAPABILITY } },
    {
      name: "./etc/attributes",
      data: "x",
      xattrs: {
        "user.text": "with\nnewline=and equals",
        "user.binary": Buffer.from([0, 1, 2, 255, 10, 0]),
      },
    },
    {
      name: "./etc/attributes.d/",
      type: "5",
      xattrs: { "user.big": Buffer.alloc(1500, "v"), "trusted.mine": "t" },
    },
    // Names.
    { name: `./names/`, type: "5" },
    { name: `./names/${NAME_255}`, data: "255" },
    { name: Buffer.concat([utf8("./names/"), NOT_UTF8]), data: "not utf-8" },
    { name: "./names/späce und ünïcode", data: "utf-8" },
    { name: "./names/-dash", data: "" },
    { name: "./names/!bang", data: "" },
    { name: "./names/new\nline", data: "newline" },
    { name: "./names/back\\slash", data: "backslash" },
    ...longParents(),
    { name: `deep/${LONG_DIRECTORY}/leaf`, data: "far down" },
    // What the upper layers change.
    { name: "./gone/", type: "5" },
    { name: "./gone/file", data: "deleted" },
    { name: "./gone/directory/", type: "5" },
    { name: "./gone/directory/inside", data: "deleted with it" },
    { name: "./gone/link", type: "2", link: "file" },
    { name: "./gone/stays", data: "stays" },
    { name: "./opaque/", type: "5", mode: 0o700 },
    { name: "./opaque/hidden", data: "hidden" },
    { name: "./opaque/sub/", type: "5" },
    { name: "./opaque/sub/hidden-too", data: "hidden" },
    { name: "./swap/", type: "5" },
    { name: "./swap/file-to-directory", data: "was a file" },
    { name: "./swap/directory-to-file/", type: "5" },
    { name: "./swap/directory-to-file/inside", data: "vanishes" },
    { name: "./swap/directory-to-link/", type: "5" },
    { name: "./swap/there-and-back", data: "first a file" },
    { name: "./replaced", data: "old content", mode: 0o600 },
    // Twice in one layer: the later one counts.
    { name: "./twice", data: "first" },
    { name: "./twice", data: "second", mode: 0o755 },
    { name: "./twice-directory/", type: "5", mode: 0o700 },
    { name: "./twice-directory/kept", data: "kept" },
    { name: "./twice-directory/", type: "5", mode: 0o711, uid: 7 },
    ...Array.from(
      { length: 300 },
      (_, index): Member => ({ name: `./many/file-${index}`, data: `${index}\n` }),
    ),
  ];
}

function changes(): Member[] {
  return [
    { name: "gone/.wh.file" },
    { name: "gone/.wh.directory" },
    { name: "gone/.wh.link" },
    { name: "gone/.wh.never-was" },
    { name: "opaque/.wh..wh..opq" },
    { name: "opaque/fresh", data: "of this layer, before and after the marker" },
    { name: "swap/.wh.there-and-back" },
    { name: "swap/file-to-directory/", type: "5" },
    { name: "swap/file-to-directory/inside", data: "now a directory" },
    { name: "swap/directory-to-file", data: "now a file" },
    { name: "swap/directory-to-link", type: "2", link: "file-to-directory" },
    { name: "replaced", data: "new content, other length", mode: 0o644 },
    // No entry for var/lock itself: its mode and owner must stay those of the base.
    { name: "var/lock/new-below-implicit", data: "x" },
    { name: "hard/.wh.kept" },
    { name: "invented/parents/of/this", data: "implicit directories" },
    { name: "many/file-7", data: "seven" },
    { name: "many/.wh.file-8" },
  ];
}

function more(): Member[] {
  return [
    { name: "swap/there-and-back", data: "a file again" },
    { name: "gone/file", data: "came back", mode: 0o600 },
    { name: "opaque/sub/", type: "5", mode: 0o711 },
    { name: "opaque/sub/new", data: "not hidden" },
    { name: "twice-directory/.wh.kept" },
    { name: "etc/", type: "5", mode: 0o750, gid: 9 },
    { name: "upper-hard/", type: "5" },
    { name: "upper-hard/a", data: "linked in the top layer" },
    { name: "upper-hard/b", type: "1", link: "upper-hard/a" },
  ];
}

export function nastyLayers(): NastyLayer[] {
  return [
    { name: "base", tar: tarball(base()) },
    { name: "changes", tar: tarball(changes()) },
    { name: "more", tar: tarball(more(), { end: false }) },
  ];
}
