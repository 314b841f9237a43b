import { mkdirSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { failedWith, MNT, mountIdMapped, umount } from "../linux/index.ts";
import { mountOverlay, type OverlayOptions } from "./mount.ts";

/** Writable: there is no use for another. */
export type MappedOverlay = OverlayOptions & { readonly writable: NonNullable<OverlayOptions["writable"]> };

/**
 * An overlay whose files belong, seen from outside, to whom the user namespace's map says; on disk they belong
 * to whom they belong inside. Its layers are mounted id-mapped below `scratch` for the moment: the overlay
 * keeps mounts of its own. The map must have an id for the host's root, which overlayfs itself works as.
 */
export function mountMappedOverlay(
  { lowers, writable, ...rest }: MappedOverlay,
  { userNamespace, scratch }: { readonly userNamespace: number; readonly scratch: string },
): void {
  const mounted: string[] = [];
  const mapped = (path: string): string => {
    const place = join(scratch, String(mounted.length));
    mkdirSync(place, { recursive: true, mode: 0o700 });
    mounted.push(place);
    mountIdMapped(path, place, userNamespace);
    return place;
  };
  try {
    // Upper and work have to be on one mount.
    const home = dirname(writable.upper);
    const here = mapped(home);
    const within = (path: string) => join(here, path.slice(home.length));
    mountOverlay({
      lowers: lowers.map(mapped),
      writable: { ...writable, upper: within(writable.upper), work: within(writable.work) },
      ...rest,
    });
  } finally {
    for (const place of mounted.reverse()) dropScratch(place);
    if (mounted.length > 0) rmdirSync(scratch);
  }
}

function dropScratch(place: string): void {
  try {
    umount(place, MNT.DETACH);
  } catch (error) {
    if (!failedWith(error, "EINVAL")) throw error;
  }
  rmdirSync(place);
}
