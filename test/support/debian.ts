import { existsSync, mkdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { must, until } from "./process.ts";

/** Kept between runs: making it takes half a minute. Removed by hand only. */
export const CACHE = process.env["PLY_TEST_CACHE"] ?? "/var/cache/ply-test";

export interface DebianRoot {
  /** The unpacked tree; never change it. */
  readonly rootfs: string;
  /** The same as a tar, a gzip of it (about 93 MB) and a zstd of it. */
  readonly tar: string;
  readonly gzip: string;
  readonly zstd: string;
}

/** A real Debian root filesystem (debootstrap, minbase), made once per machine. */
export async function debianRoot(): Promise<DebianRoot> {
  const paths: DebianRoot = {
    rootfs: join(CACHE, "rootfs"),
    tar: join(CACHE, "layer.tar"),
    gzip: join(CACHE, "layer.tar.gz"),
    zstd: join(CACHE, "layer.tar.zst"),
  };
  const ready = (): boolean => Object.values(paths).every((path) => existsSync(path));
  if (ready()) return paths;
  mkdirSync(CACHE, { recursive: true });
  const lock = join(CACHE, "making");
  try {
    mkdirSync(lock);
  } catch {
    await until("another process has made the Debian root", ready, 300_000);
    return paths;
  }
  try {
    const making = join(CACHE, "rootfs.new");
    rmSync(making, { recursive: true, force: true });
    await must("debootstrap", ["--variant=minbase", "bookworm", making, "http://deb.debian.org/debian"], {
      timeoutMs: 300_000,
    });
    rmSync(paths.rootfs, { recursive: true, force: true });
    renameSync(making, paths.rootfs);
    await must("tar", [
      "-C",
      paths.rootfs,
      "--numeric-owner",
      "--xattrs",
      "--sort=name",
      "-cf",
      paths.tar,
      ".",
    ]);
    await must("gzip", ["-6", "-kf", paths.tar]);
    await must("zstd", ["-q", "-3", "-f", paths.tar, "-o", paths.zstd]);
  } finally {
    rmdirSync(lock);
  }
  return paths;
}
