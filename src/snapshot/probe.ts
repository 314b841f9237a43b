import { randomUUID } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ErofsNode } from "../erofs/index.ts";
import { writeErofs } from "../erofs/index.ts";
import { messageOf, PlyError } from "../error.ts";
import { mountOverlay, removeTree, unmountAll } from "../overlay/index.ts";
import { type ErofsMode, mountErofs } from "./erofs-mount.ts";

const BLOCK = 512;
const SUFFIX = ".probe";
const PLAIN = {
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtimeSeconds: 0,
  mtimeNanos: 0,
  size: 0,
  linkTarget: "",
  rdevMajor: 0,
  rdevMinor: 0,
  xattrs: new Map<string, Uint8Array>(),
  data: null,
  children: null,
} as const;

/**
 * Tries in the state directory itself what a driver needs, since only that tells. Resolves when it works;
 * throws what stood in the way. Nothing is left behind either way.
 */
export async function probeErofs(root: string, runRoot: string, mode: ErofsMode): Promise<void> {
  await inProbeDirectories(root, runRoot, async ({ files, target, base }) => {
    const image = join(files, "image");
    const tar = join(files, "tar");
    writeFileSync(tar, Buffer.alloc(BLOCK, "x"));
    writeFileSync(image, probeImage());
    mountErofs(mode, image, [tar], base);
    if (readFileSync(join(base, "file"), "latin1") !== "x".repeat(BLOCK))
      throw new PlyError("unsupported", "the kernel reads something else from an EROFS image than is in it");
    tryOverlay(files, base, target);
  });
}

export async function probeOverlay2(root: string, runRoot: string): Promise<void> {
  await inProbeDirectories(root, runRoot, async ({ files, target }) => {
    const lower = join(files, "lower");
    mkdirSync(lower);
    writeFileSync(join(lower, "file"), "x".repeat(BLOCK));
    tryOverlay(files, lower, target);
  });
}

interface ProbeDirectories {
  /** In the root: where images and writable layers are. */
  readonly files: string;
  /** Mount points in the run root. */
  readonly base: string;
  readonly target: string;
}

async function inProbeDirectories(
  root: string,
  runRoot: string,
  attempt: (directories: ProbeDirectories) => Promise<void>,
): Promise<void> {
  const name = `${randomUUID()}${SUFFIX}`;
  const files = join(root, "ingest", name);
  const mounts = join(runRoot, name);
  const [base, target] = [join(mounts, "base"), join(mounts, "target")];
  try {
    for (const directory of [files, base, target]) mkdirSync(directory, { recursive: true, mode: 0o700 });
    await attempt({ files, base, target });
  } finally {
    for (const mounted of [target, base]) unmountQuietly(mounted);
    rmSync(mounts, { recursive: true, force: true });
    await removeTree(files);
  }
}

/** Removes mounts of a trial that was killed; its files went with the rest of `ingest/`. */
export function dropDeadProbes(runRoot: string): void {
  for (const name of existsSync(runRoot) ? readdirSync(runRoot) : []) {
    if (!name.endsWith(SUFFIX)) continue;
    for (const mounted of ["target", "base"]) unmountQuietly(join(runRoot, name, mounted));
    rmSync(join(runRoot, name), { recursive: true, force: true });
  }
}

function unmountQuietly(target: string): void {
  try {
    unmountAll(target);
  } catch {
    // Without the right to mount there is nothing to unmount.
  }
}

/** Changes and deletes a file of the lower through an overlay: copy-up, whiteouts and their attributes. */
function tryOverlay(files: string, lower: string, target: string): void {
  const [upper, work] = [join(files, "upper"), join(files, "work")];
  for (const directory of [upper, work]) mkdirSync(directory);
  const writable = { upper, work };
  try {
    // Unmounting any other kind writes out all that is dirty on the filesystem.
    mountOverlay({ lowers: [lower], writable: { ...writable, isEphemeral: true }, target });
  } catch {
    mountOverlay({ lowers: [lower], writable, target });
  }
  writeFileSync(join(target, "file"), "changed");
  if (readFileSync(join(upper, "file"), "utf8") !== "changed")
    throw new PlyError("unsupported", "a change through an overlay does not reach its writable layer");
  rmSync(join(target, "file"));
  if (!lstatSync(join(upper, "file")).isCharacterDevice())
    throw new PlyError("unsupported", "a deletion through an overlay leaves no whiteout");
}

function probeImage(): Uint8Array {
  const file: ErofsNode = {
    ...PLAIN,
    type: "file",
    mode: 0o644,
    size: BLOCK,
    data: { device: 0, offset: 0 },
  };
  const root: ErofsNode = { ...PLAIN, type: "directory", children: new Map([["file", file]]) };
  return writeErofs(root, [{ tag: "probe", size: BLOCK }], { uuid: new Uint8Array(16) });
}

/** One line on why something does not work here. */
export function whyNot(error: unknown): string {
  const code = error instanceof PlyError ? error.details["code"] : undefined;
  if (code === "ENODEV") return "this kernel has no such filesystem (ENODEV)";
  if (code === "ENOTBLK") return "this kernel mounts EROFS from block devices only here (ENOTBLK)";
  if (code === "EPERM" || code === "EACCES")
    return `no right to mount (${code}): the engine must run as root`;
  const hint = error instanceof PlyError && error.hint ? `; ${error.hint}` : "";
  return messageOf(error) + hint;
}
