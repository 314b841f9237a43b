import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { PlyError, throwIfAborted } from "../error.ts";
import type { TreeNode } from "../layer/index.ts";
import { failedWith, lsetxattr, mknod, S_IF, utimensNs } from "../linux/index.ts";
import { type DiffDirectory, isDiffDirectory } from "./overlay2-changes.ts";
import type { Filling } from "./overlay2-frame.ts";
import { atPlace } from "./overlay2-place.ts";

const COPY_SIZE = 1024 * 1024;
/** Work in one go before others get a turn. */
const SLICE_MS = 8;
const OPAQUE = "trusted.overlay.opaque";
const YES = Buffer.from("y");

export interface UnpackOptions {
  /** An existing empty directory that nobody else writes to. */
  readonly target: string;
  /** Reads a layer's tar (by its number in the stack) at a place. */
  readonly read: (device: number, into: Uint8Array, offset: number) => void;
  /** Number of the layer whose content is noted in the result. */
  readonly device: number;
  readonly signal?: AbortSignal;
}

/**
 * Writes a layer's changes as directories and files in overlayfs form; what of the layer's tar is now in files
 * too. Every directory on the way is made here, so no symlink of the layer is ever followed.
 */
export async function unpackChanges(changes: DiffDirectory, options: UnpackOptions): Promise<Filling[]> {
  const { target, signal } = options;
  const fillings: Filling[] = [];
  const firstNames = new Map<TreeNode, string>();
  const buffer = Buffer.allocUnsafe(COPY_SIZE);
  let sliceStart = performance.now();
  const breathe = async () => {
    if (performance.now() - sliceStart < SLICE_MS) return;
    throwIfAborted(signal);
    await nextTurn();
    sliceStart = performance.now();
  };

  const makeFile = async (path: string, node: TreeNode) => {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const fd = atPlace(target, path, (place) => openSync(place, flags, 0o600));
    try {
      for (const run of runsOf(node)) {
        if (node.data?.device === options.device)
          fillings.push({ offset: run.tarOffset, length: run.length, at: run.at, path });
        for (let done = 0; done < run.length; ) {
          const part = buffer.subarray(0, Math.min(COPY_SIZE, run.length - done));
          options.read(node.data?.device ?? 0, part, run.tarOffset + done);
          writeFully(fd, part, run.at + done);
          done += part.length;
          await breathe();
        }
      }
      // Holes, and a hole at the end, take no room.
      ftruncateSync(fd, node.size);
      fchownSync(fd, node.uid, node.gid);
      fchmodSync(fd, node.mode);
    } finally {
      closeSync(fd);
    }
  };

  const makeNode = async (path: string, node: TreeNode) => {
    const first = firstNames.get(node);
    if (first !== undefined) {
      atPlace(target, first, (from) => atPlace(target, path, (to) => linkSync(from, to)));
      return;
    }
    firstNames.set(node, path);
    if (node.type === "file") await makeFile(path, node);
    else atPlace(target, path, (place) => makeSpecial(place, node));
    atPlace(target, path, (place) => setTimesAndXattrs(place, node));
  };

  const fill = async (path: string, directory: DiffDirectory) => {
    const below = path === "" ? "" : `${path}/`;
    for (const name of directory.whiteouts) atPlace(target, below + name, (place) => mknod(place, S_IF.CHR));
    for (const [name, child] of directory.children) {
      await breathe();
      if (!isDiffDirectory(child)) await makeNode(below + name, child);
      else {
        atPlace(target, below + name, (place) => mkdirSync(place, 0o700));
        await fill(below + name, child);
      }
    }
    // Last: making the children changed its time.
    atPlace(target, path, (place) => {
      lchownSync(place, directory.node.uid, directory.node.gid);
      chmodSync(place, directory.node.mode);
      if (directory.isOpaque) lsetxattr(place, OPAQUE, YES);
      setTimesAndXattrs(place, directory.node);
    });
  };

  await fill("", changes);
  return fillings;
}

interface Run {
  readonly at: number;
  readonly length: number;
  readonly tarOffset: number;
}

function* runsOf(node: TreeNode): Generator<Run> {
  if (node.data === null) return;
  const { offset, extents } = node.data;
  if (extents === undefined) {
    if (node.size > 0) yield { at: 0, length: node.size, tarOffset: offset };
    return;
  }
  let tarOffset = offset;
  for (const extent of extents) {
    yield { at: extent.offset, length: extent.length, tarOffset };
    tarOffset += extent.length;
  }
}

function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

function makeSpecial(place: Buffer, node: TreeNode): void {
  switch (node.type) {
    case "symlink":
      symlinkSync(Buffer.from(node.linkTarget, "latin1"), place);
      lchownSync(place, node.uid, node.gid);
      return;
    case "char":
      mknod(place, S_IF.CHR | 0o600, node.rdevMajor, node.rdevMinor);
      break;
    case "block":
      mknod(place, S_IF.BLK | 0o600, node.rdevMajor, node.rdevMinor);
      break;
    case "fifo":
      mknod(place, S_IF.FIFO | 0o600);
      break;
    default:
      throw new PlyError("internal", `a ${node.type} is not made here`);
  }
  lchownSync(place, node.uid, node.gid);
  chmodSync(place, node.mode);
}

function setTimesAndXattrs(place: Buffer, node: TreeNode): void {
  for (const [name, value] of node.xattrs) setXattr(place, node, name, value);
  const time = BigInt(node.mtimeSeconds) * 1_000_000_000n + BigInt(node.mtimeNanos);
  utimensNs(place, time, time);
}

/** The kernel has `user.` attributes on files and directories only, and knows few prefixes; so does EROFS. */
function setXattr(place: Buffer, node: TreeNode, name: string, value: Uint8Array): void {
  if (name.startsWith("user.") && node.type !== "file" && node.type !== "directory") return;
  try {
    lsetxattr(place, name, value);
  } catch (error) {
    if (failedWith(error, "ENOTSUP") || failedWith(error, "EOPNOTSUPP")) return;
    if (name.startsWith("system.") && failedWith(error, "EINVAL")) return;
    if (failedWith(error, "ENOSPC") || failedWith(error, "E2BIG"))
      throw new PlyError(
        "unsupported",
        `the filesystem cannot hold attribute ${name} (${value.length} bytes)`,
        {
          hint: "use the erofs storage driver, or a root on xfs or btrfs",
          cause: error,
        },
      );
    throw error;
  }
}
