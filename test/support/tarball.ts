import { readFileSync } from "node:fs";

/**
 * A tar writer for tests only: independent of src/tar, and free to write what no honest tool would.
 * Names may be Buffers (any bytes); everything not given has a plain default.
 */
export interface Member {
  readonly name: string | Buffer;
  /** tar's type flag: "0" file, "1" hard link, "2" symlink, "3" char, "4" block, "5" directory, "6" fifo, "S", "x"… */
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds; a fraction or a negative time goes into a PAX record. */
  readonly mtime?: number | string;
  readonly link?: string | Buffer;
  readonly major?: number;
  readonly minor?: number;
  readonly data?: string | Uint8Array;
  /** Size to claim in the header, when it should differ from the data's. */
  readonly claimedSize?: number;
  readonly xattrs?: Readonly<Record<string, string | Uint8Array>>;
  /** Further PAX records, as they are. */
  readonly pax?: Readonly<Record<string, string | Uint8Array>>;
  /** Leave the data's padding out. */
  readonly unpadded?: boolean;
}

const BLOCK = 512;
const bytes = (value: string | Uint8Array): Buffer =>
  typeof value === "string" ? Buffer.from(value) : Buffer.from(value);

function octal(value: number, width: number): string {
  return `${Math.trunc(value)
    .toString(8)
    .padStart(width - 1, "0")}\0`;
}

function header(
  member: Member,
  name: Buffer,
  link: Buffer,
  type: string,
  size: number,
  mtime: number,
): Buffer {
  const block = Buffer.alloc(BLOCK);
  name.copy(block, 0, 0, 100);
  block.write(octal(member.mode ?? (type === "5" ? 0o755 : 0o644), 8), 100, "latin1");
  block.write(octal(Math.min(member.uid ?? 0, 0o7777777), 8), 108, "latin1");
  block.write(octal(Math.min(member.gid ?? 0, 0o7777777), 8), 116, "latin1");
  if (size <= 0o77777777777) block.write(octal(size, 12), 124, "latin1");
  else {
    block.writeUInt8(0x80, 124);
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  block.write(octal(Math.max(0, mtime), 12), 136, "latin1");
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  link.copy(block, 157, 0, 100);
  block.write("ustar\x0000", 257, "latin1");
  block.write(octal(member.major ?? 0, 8), 329, "latin1");
  block.write(octal(member.minor ?? 0, 8), 337, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** One PAX record: its length counts itself. */
export function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`), bytes(value), Buffer.from("\n")]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

function padded(data: Buffer): Buffer {
  const rest = data.length % BLOCK;
  return rest === 0 ? data : Buffer.concat([data, Buffer.alloc(BLOCK - rest)]);
}

/** The bytes of one member: PAX header where needed, header, data. */
export function member(given: Member): Buffer {
  const name = bytes(given.name);
  const link = bytes(given.link ?? "");
  const data = bytes(given.data ?? "");
  const type = given.type ?? "0";
  const mtime = Number(given.mtime ?? 1_700_000_000);
  const records: Buffer[] = [];
  if (name.length > 100) records.push(paxRecord("path", name));
  if (link.length > 100) records.push(paxRecord("linkpath", link));
  if (mtime < 0 || !Number.isInteger(mtime)) records.push(paxRecord("mtime", String(given.mtime)));
  if ((given.uid ?? 0) > 0o7777777) records.push(paxRecord("uid", String(given.uid)));
  if ((given.gid ?? 0) > 0o7777777) records.push(paxRecord("gid", String(given.gid)));
  for (const [key, value] of Object.entries(given.xattrs ?? {}))
    records.push(paxRecord(`SCHILY.xattr.${key}`, value));
  for (const [key, value] of Object.entries(given.pax ?? {})) records.push(paxRecord(key, value));
  const parts: Buffer[] = [];
  if (records.length > 0) {
    const body = Buffer.concat(records);
    parts.push(
      header({ name: "pax", mode: 0o644 }, Buffer.from("PaxHeaders/x"), Buffer.alloc(0), "x", body.length, 0),
      padded(body),
    );
  }
  parts.push(header(given, name, link, type, given.claimedSize ?? data.length, Math.trunc(mtime)));
  parts.push(given.unpadded ? data : padded(data));
  return Buffer.concat(parts);
}

/** A whole archive; `end: false` leaves the two zero blocks out. */
export function tarball(members: readonly Member[], options: { readonly end?: boolean } = {}): Buffer {
  return Buffer.concat([
    ...members.map(member),
    options.end === false ? Buffer.alloc(0) : Buffer.alloc(2 * BLOCK),
  ]);
}

/** A tree that can run commands: Debian's static busybox with its most used names. */
export function busyboxMembers(): Member[] {
  const applets = [
    "sh",
    "cat",
    "echo",
    "ls",
    "rm",
    "true",
    "false",
    "sleep",
    "wc",
    "dd",
    "stat",
    "id",
    "env",
    "stty",
    "test",
    "mkdir",
    "chmod",
    "pwd",
    "head",
    "sha256sum",
    "hostname",
    "httpd",
    "nc",
    "wget",
    "touch",
    "mv",
    "cp",
    "ln",
    "kill",
    "ps",
    "printf",
    "find",
    "tee",
    "od",
    "seq",
    "yes",
  ];
  return [
    { name: "bin/", type: "5" },
    { name: "bin/busybox", mode: 0o755, data: readFileSync("/usr/bin/busybox") },
    ...applets.map((applet): Member => ({ name: `bin/${applet}`, type: "2", link: "busybox" })),
    { name: "tmp/", type: "5", mode: 0o1777 },
    { name: "root/", type: "5", mode: 0o700 },
    { name: "etc/", type: "5" },
    { name: "etc/passwd", data: "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/tmp:/bin/sh\n" },
    { name: "etc/group", data: "root:x:0:\nguest:x:1000:\nstaff:x:50:guest\n" },
  ];
}
