import { copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

const BUSYBOX = "/bin/busybox";
const APPLETS = [
  "cat",
  "dd",
  "echo",
  "false",
  "head",
  "id",
  "kill",
  "ls",
  "mount",
  "pwd",
  "sh",
  "sleep",
  "stty",
  "true",
];
const APPLETS_TOO = [
  "env",
  "hostname",
  "seq",
  "sort",
  "touch",
  "rm",
  "mkdir",
  "wc",
  "sync",
  "grep",
  "ip",
  "trap",
  "tr",
  "yes",
];

/** A small root filesystem from Debian's busybox-static, for tests: `root` is made and filled. */
export async function makeBusyboxRoot(root: string): Promise<void> {
  for (const folder of ["bin", "etc", "tmp", "proc", "sys", "dev", "root"])
    await mkdir(join(root, folder), { recursive: true });
  await copyFile(BUSYBOX, join(root, "bin/busybox"));
  for (const applet of [...APPLETS, ...APPLETS_TOO]) await symlink("busybox", join(root, "bin", applet));
  await writeFile(
    join(root, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\nply:x:1000:1000::/home/ply:/bin/sh\n",
  );
  await writeFile(join(root, "etc/group"), "root:x:0:\nply:x:1000:\ntape:x:26:ply\n");
}
