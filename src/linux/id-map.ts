import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { PlyError } from "../error.ts";
import { systemCall } from "./libc.ts";
import { cString, type Path, pathText } from "./path.ts";

/** `size` ids from `inside` on are, outside, those from `outside` on: a line of /proc/PID/uid_map. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly size: number;
}

/** Whom the users and groups of a user namespace are for the host. */
export interface IdMap {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

/** What the kernel shows for an id that has no counterpart. */
const OVERFLOW_ID = 65_534;
const OPEN_TREE_CLONE = 1;
const O_CLOEXEC = 0o2000000;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOUNT_ATTR_IDMAP = 0x100000n;
/** struct mount_attr: attr_set, attr_clr, propagation, userns_fd. */
const MOUNT_ATTR_SIZE = 32;
const USERNS_FD_OFFSET = 24;

/** The host's id of one inside; undefined when it has none. */
export function outsideId(ranges: readonly IdRange[], id: number): number | undefined {
  const range = ranges.find(({ inside, size }) => id >= inside && id < inside + size);
  return range === undefined ? undefined : range.outside + (id - range.inside);
}

/** The id inside of one of the host's; 65534 when it has none, as the kernel shows it. */
export function insideId(ranges: readonly IdRange[], id: number): number {
  const range = ranges.find(({ outside, size }) => id >= outside && id < outside + size);
  return range === undefined ? OVERFLOW_ID : range.inside + (id - range.outside);
}

/**
 * A user namespace with this map and no process in it: a descriptor, which the caller closes. Throws "unsupported"
 * where the host has no user namespaces or does not let us make one.
 */
export async function openUserNamespace({ uids, gids }: IdMap): Promise<number> {
  // It says when it has left our namespace, and waits to be let go.
  const child = spawn("unshare", ["--user", "--", "sh", "-c", "echo && exec cat"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let words = "";
  child.stderr.on("data", (chunk: Buffer) => {
    words += String(chunk);
  });
  child.stdin.on("error", () => undefined);
  const ended = new Promise<never>((_, reject) => {
    child.once("error", (cause) => reject(refused(cause.message, cause)));
    child.once("close", () => reject(refused(words.trim() || "unshare ended without a word")));
  });
  ended.catch(() => undefined);
  try {
    await Promise.race([once(child.stdout, "data"), ended]);
    writeFileSync(`/proc/${child.pid}/uid_map`, mapText(uids));
    writeFileSync(`/proc/${child.pid}/gid_map`, mapText(gids));
    return openSync(`/proc/${child.pid}/ns/user`, "r");
  } finally {
    child.kill("SIGKILL");
    child.stdin.destroy();
  }
}

function mapText(ranges: readonly IdRange[]): string {
  return ranges.map(({ inside, outside, size }) => `${inside} ${outside} ${size}\n`).join("");
}

function refused(words: string, cause?: unknown): PlyError {
  return new PlyError("unsupported", `this host makes no user namespace: ${words}`, {
    hint: "a kernel with CONFIG_USER_NS and a user.max_user_namespaces above 0 (sysctl) does",
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Mounts what is at `source` at `target` once more, its owners seen through the namespace's map
 * (mount_setattr(2), MOUNT_ATTR_IDMAP). Mounts below are left out. Throws with details.code: EINVAL where the
 * filesystem cannot, ENOSYS before Linux 5.12.
 */
export function mountIdMapped(source: Path, target: Path, userNamespace: number): void {
  const where = pathText(target);
  const tree = systemCall(
    "open_tree",
    pathText(source),
    AT_FDCWD,
    cString(source),
    OPEN_TREE_CLONE | O_CLOEXEC,
  );
  try {
    const attributes = Buffer.alloc(MOUNT_ATTR_SIZE);
    attributes.writeBigUInt64LE(MOUNT_ATTR_IDMAP, 0);
    attributes.writeBigUInt64LE(BigInt(userNamespace), USERNS_FD_OFFSET);
    const empty = cString("");
    systemCall("mount_setattr", where, tree, empty, AT_EMPTY_PATH, attributes, MOUNT_ATTR_SIZE);
    systemCall("move_mount", where, tree, empty, AT_FDCWD, cString(target), MOVE_MOUNT_F_EMPTY_PATH);
  } finally {
    closeSync(tree);
  }
}
