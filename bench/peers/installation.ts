import { existsSync, mkdirSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { CACHE, debootstrap, once } from "../../test/support/debian.ts";
import { hasProgram } from "../../test/support/needs.ts";
import { mountsUnder } from "../../test/support/ply.ts";
import { must, run } from "../../test/support/process.ts";

/** Where a peer's programs come from. Paths below a prepared home mean the same inside and outside. */
export interface Installation {
  /** Added to the peer's name: "", or the suite it is from. */
  readonly label: string;
  has(program: string): boolean;
  argv(program: string, args: readonly string[]): [string, ...string[]];
  /** Makes a directory known to the programs. */
  open(home: string): Promise<void>;
  close(home: string): Promise<void>;
}

/** What this machine has on its PATH. */
export const installed: Installation = {
  label: "",
  has: hasProgram,
  argv: (program, args) => [program, ...args],
  open: async () => {},
  close: async () => {},
};

/** A tree of unpacked packages, whose programs come before this machine's. */
export const unpacked = (tree: string, label: string): Installation => {
  const folders = ["usr/sbin", "usr/bin"].map((folder) => join(tree, folder));
  return {
    label,
    has: (program) => folders.some((folder) => existsSync(join(folder, program))),
    argv: (program, args) => [
      "env",
      `PATH=${[...folders, process.env["PATH"]].join(delimiter)}`,
      program,
      ...args,
    ],
    open: async () => {},
    close: async () => {},
  };
};

const SID = join(CACHE, "sid");
const SID_PACKAGES = [
  ...[
    "containerd",
    "erofs-utils",
    "docker.io",
    "docker-cli",
    "podman",
    "buildah",
    "crun",
    "conmon",
    "runc",
    "netavark",
  ],
  ...["ca-certificates", "iptables", "nftables"],
];

/** The newest peers that Debian has: a root of its unstable suite, entered by chroot. */
export const newest: Installation = {
  label: "sid",
  has: (program) => ["bin", "sbin"].some((folder) => existsSync(join(SID, "usr", folder, program))),
  argv: (program, args) => ["chroot", SID, program, ...args],
  async open(home) {
    const inside = join(SID, home);
    mkdirSync(inside, { recursive: true });
    if (mountsUnder(SID).length === 0) {
      // dockerd remounts its "/", which therefore has to be a mount.
      await must("mount", ["--bind", SID, SID]);
      await must("mount", ["--make-private", SID]);
      await must("mount", ["-t", "proc", "proc", join(SID, "proc")]);
      for (const tree of ["sys", "dev"]) {
        await must("mount", ["--rbind", `/${tree}`, join(SID, tree)]);
        await must("mount", ["--make-rslave", join(SID, tree)]);
      }
    }
    await must("mount", ["--bind", home, inside]);
  },
  async close(home) {
    for (const target of mountsUnder(join(SID, home)).reverse()) await run("umount", ["-l", target]);
    await run("umount", ["-l", join(SID, home)]);
    rmSync(join(SID, home), { recursive: true, force: true });
    if (mountsUnder(SID).some((target) => !/^\/(proc|sys|dev)(\/|$)/.test(target.slice(SID.length)))) return;
    for (const target of [SID, ...mountsUnder(SID)].reverse()) await run("umount", ["-l", target]);
  },
};

/** Makes the root of {@link newest} once per machine: a minute or two, some 750 MB. */
export async function installNewest(): Promise<void> {
  if (existsSync(SID)) return;
  console.log("installing the newest peers from Debian unstable (once)");
  await once("sid", (making) => debootstrap("sid", making, SID_PACKAGES));
}
