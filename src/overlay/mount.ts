import { closeSync, constants, openSync } from "node:fs";
import { isPlyError, PlyError } from "../error.ts";
import { failedWith, fsopenMount, MS, mount } from "../linux/index.ts";

/** What overlayfs is told. Lowers top first, as overlayfs has them; paths absolute. */
export interface OverlayOptions {
  readonly lowers: readonly string[];
  /** Absent: a read-only mount, which wants two lowers at least. */
  readonly writable?: {
    readonly upper: string;
    readonly work: string;
    /** Never waits for the disk: not at fsync(2), not at umount. The writable layer does not outlive a power cut. */
    readonly isEphemeral?: boolean;
  };
  readonly target: string;
}

/**
 * Set against the kernel's build-time defaults, so that an upper directory means the same everywhere and
 * holds only what a layer can hold: whole files (metacopy), no moved directories by reference
 * (redirect_dir). xino gives files and directories one device number, for `tar --one-file-system` and the like.
 */
const WRITABLE_OPTIONS = ["index=off", "metacopy=off", "redirect_dir=off", "xino=auto"] as const;
const READ_ONLY_OPTIONS = ["xino=auto"] as const;

/** Mounts an overlay at `target`, however many lowers and however odd the paths. Throws with details.code. */
export function mountOverlay(options: OverlayOptions): void {
  const flags = options.writable === undefined ? MS.RDONLY : 0;
  try {
    mount("overlay", options.target, "overlay", flags, optionString(options, options.lowers));
  } catch (error) {
    if (!isPlyError(error, "limit")) throw explained(error, options);
    // mount(2) reads one page of options: the paths are too long, so name open directories instead.
    try {
      mountThroughDescriptors(options, flags);
    } catch (second) {
      throw explained(second, options);
    }
  }
}

function optionString({ writable }: OverlayOptions, lowers: readonly string[]): string {
  const parts = [`lowerdir=${lowers.map(escapePath).join(":")}`];
  if (writable === undefined) parts.push(...READ_ONLY_OPTIONS);
  else
    parts.push(
      `upperdir=${escapePath(writable.upper)}`,
      `workdir=${escapePath(writable.work)}`,
      ...WRITABLE_OPTIONS,
      ...(writable.isEphemeral ? ["volatile"] : []),
    );
  return parts.join(",");
}

/** overlayfs splits at `,` and `:` and takes a backslash before them away. */
function escapePath(path: string): string {
  return path.replace(/[\\,:]/g, "\\$&");
}

function mountThroughDescriptors(options: OverlayOptions, flags: number): void {
  const open: number[] = [];
  const through = (path: string): string => {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    open.push(fd);
    return `/proc/self/fd/${fd}`;
  };
  try {
    const lowers = options.lowers.map(through);
    const writable = options.writable && {
      ...options.writable,
      upper: through(options.writable.upper),
      work: through(options.writable.work),
    };
    try {
      mount(
        "overlay",
        options.target,
        "overlay",
        flags,
        optionString({ ...options, ...(writable && { writable }) }, lowers),
      );
    } catch (error) {
      if (!isPlyError(error, "limit")) throw error;
      fsopenMount(
        "overlay",
        [
          ["source", "overlay"],
          ...lowers.map((lower) => ["lowerdir+", lower] as const),
          ...(writable === undefined
            ? []
            : ([
                ["upperdir", writable.upper],
                ["workdir", writable.work],
              ] as const)),
          ...(writable === undefined ? READ_ONLY_OPTIONS : WRITABLE_OPTIONS).map((option) => {
            const [key = "", value = ""] = option.split("=");
            return [key, value] as const;
          }),
          ...(writable?.isEphemeral ? [["volatile"] as const] : []),
        ],
        options.target,
        { readOnly: writable === undefined },
      );
    }
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

function explained(error: unknown, { writable, target }: OverlayOptions): unknown {
  if (failedWith(error, "EINVAL") && writable !== undefined)
    return new PlyError("unsupported", `overlayfs refuses ${writable.upper} as a writable layer (EINVAL)`, {
      hint: "its filesystem cannot hold one (another overlay, NFS, FAT): put --root on ext4, xfs or btrfs",
      cause: error,
      details: { code: "EINVAL", path: writable.upper },
    });
  if (failedWith(error, "EPERM") || failedWith(error, "EACCES"))
    return new PlyError("denied", `no right to mount an overlay at ${target}`, {
      hint: "the engine needs CAP_SYS_ADMIN: run it as root",
      cause: error,
      details: { code: "EPERM" },
    });
  return error;
}
