import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { must } from "./process.ts";

/** Kept between runs: filling it takes a minute. Removed by hand only. */
export const CACHE = process.env["PLY_TEST_CACHE"] ?? "/var/cache/ply-test";
const MIRROR = "http://deb.debian.org/debian";

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
  const rootfs = await once("rootfs", (making) => debootstrap("bookworm", making));
  const tar = await once("layer.tar", async (making) => {
    await must("tar", ["-C", rootfs, "--numeric-owner", "--xattrs", "--sort=name", "-cf", making, "."]);
  });
  const gzip = await once("layer.tar.gz", async (making) => {
    await must("sh", ["-c", 'exec gzip -6 <"$0" >"$1"', tar, making]);
  });
  const zstd = await once("layer.tar.zst", async (making) => {
    await must("zstd", ["-q", "-3", tar, "-o", making]);
  });
  return { rootfs, tar, gzip, zstd };
}

/** A root of Debian's unstable suite with erofs-utils 1.9, which knows 512-byte blocks; made once per machine. */
export async function newestErofsUtils(): Promise<string> {
  const ofTheBench = join(CACHE, "sid");
  if (existsSync(ofTheBench)) return ofTheBench;
  return once("sid-erofs", (making) => debootstrap("sid", making, ["erofs-utils"]));
}

/** The program of docker-compose 2, which is static, from Debian's unstable suite; fetched once per machine. */
export function composeOfSid(): Promise<string> {
  return once("docker-compose-sid", async (making) => {
    const tree = await unpackFromSid(dirname(making), ["docker-compose"]);
    renameSync(join(tree, "usr/libexec/docker/cli-plugins/docker-compose"), making);
  });
}

/**
 * dockerd, its containerd and the client's plugin buildx from Debian's unstable suite, unpacked and not installed; fetched once per
 * machine. They run with this machine's libraries and its `runc`.
 */
export function dockerOfSid(): Promise<string> {
  return once("docker-sid", async (making) => {
    const tree = await unpackFromSid(dirname(making), ["docker.io", "containerd", "docker-buildx"]);
    renameSync(tree, making);
  });
}

/** Downloads packages and unpacks them, without what they depend on; returns the tree. */
async function unpackFromSid(scratch: string, packages: readonly string[]): Promise<string> {
  const sources = join(scratch, "sources.list");
  writeFileSync(
    sources,
    `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${MIRROR} sid main\n`,
  );
  for (const part of ["lists/partial", "cache", "tree"]) mkdirSync(join(scratch, part), { recursive: true });
  // Lists and sources of its own: the machine's apt knows nothing of another suite.
  const places = {
    "Dir::Etc::SourceList": sources,
    "Dir::Etc::SourceParts": "-",
    "Dir::State::Lists": join(scratch, "lists"),
    "Dir::Cache": join(scratch, "cache"),
    "Acquire::Languages": "none",
  };
  const options = ["-q", ...Object.entries(places).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
  await must("apt-get", [...options, "update"]);
  await must("apt-get", [...options, "download", ...packages], { cwd: scratch });
  await must("sh", ["-c", 'for deb in *.deb; do dpkg-deb -x "$deb" tree || exit; done'], { cwd: scratch });
  return join(scratch, "tree");
}

/** A mirror that is just being brought up to date, or away for a moment, is asked again. */
const ATTEMPTS = 3;

/** Makes `CACHE/NAME` unless it is there. Processes that make it at once each do the work; one of them counts. */
export async function once(name: string, make: (making: string) => Promise<void>): Promise<string> {
  const path = join(CACHE, name);
  mkdirSync(CACHE, { recursive: true });
  for (let attempt = 1; !existsSync(path); attempt++) {
    const scratch = mkdtempSync(join(CACHE, "making-"));
    try {
      const making = join(scratch, name);
      await make(making);
      if (!existsSync(path)) renameSync(making, path);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  return path;
}

export async function debootstrap(
  suite: string,
  into: string,
  packages: readonly string[] = [],
): Promise<void> {
  const include = packages.length === 0 ? [] : [`--include=${packages.join(",")}`];
  await must("debootstrap", ["--variant=minbase", ...include, suite, into, MIRROR], { timeoutMs: 900_000 });
}
