import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PlyError } from "../error.ts";
import { type Cgroups, hierarchyOf } from "./cgroup.ts";

const FREEZE_LIMIT_MS = 10_000;
/** The kernel freezes what sits in an uninterruptible call only when that ends: look again after this long. */
const LOOK_AGAIN_MS = 2;

/** Stops and resumes all processes of a container at once. Paths are below each hierarchy. */
export interface Freezer {
  /** Resolves when everything stands still. Throws "unsupported" without a freezer, "unavailable" when it takes too long. */
  freeze(path: string): Promise<void>;
  /** Idempotent; a cgroup that is not there is not frozen. */
  thaw(path: string): Promise<void>;
  isFrozen(path: string): Promise<boolean>;
}

interface Files {
  /** Written to ask. */
  readonly control: string;
  readonly state: string;
  readonly freeze: string;
  readonly thaw: string;
  readonly isFrozen: (text: string) => boolean;
  readonly isAsked: (text: string) => boolean;
}

export function createFreezer(cgroups: Cgroups): Freezer {
  const hierarchy = hierarchyOf(cgroups, "freezer");

  function filesOf(path: string): Files | undefined {
    if (hierarchy === undefined) return undefined;
    const directory = join(hierarchy.path, path);
    const control = join(directory, hierarchy.isUnified ? "cgroup.freeze" : "freezer.state");
    return hierarchy.isUnified
      ? {
          control,
          state: join(directory, "cgroup.events"),
          freeze: "1",
          thaw: "0",
          isFrozen: (text) => /^frozen 1$/m.test(text),
          isAsked: (text) => text.trim() === "1",
        }
      : {
          control,
          state: control,
          freeze: "FROZEN",
          thaw: "THAWED",
          isFrozen: (text) => text.trim() === "FROZEN",
          isAsked: (text) => text.trim() !== "THAWED" && text.trim() !== "",
        };
  }

  async function freeze(path: string): Promise<void> {
    const files = filesOf(path);
    if (files === undefined)
      throw new PlyError("unsupported", "this host has no cgroup freezer: containers cannot be paused", {
        hint: "mkdir -p /sys/fs/cgroup/freezer && mount -t cgroup -o freezer cgroup /sys/fs/cgroup/freezer",
      });
    const deadline = performance.now() + FREEZE_LIMIT_MS;
    for (;;) {
      // Asking again makes v1 try again with processes that were made meanwhile.
      await writeFile(files.control, files.freeze);
      if (files.isFrozen(await readFile(files.state, "utf8"))) return;
      if (performance.now() > deadline) {
        await writeFile(files.control, files.thaw);
        throw new PlyError(
          "unavailable",
          "the processes could not be frozen: one of them waits in the kernel",
        );
      }
      await sleep(LOOK_AGAIN_MS);
    }
  }

  async function isAsked(files: Files): Promise<boolean> {
    return files.isAsked(await readFile(files.control, "utf8").catch(() => ""));
  }

  return {
    freeze,
    async thaw(path) {
      const files = filesOf(path);
      if (files === undefined || !(await isAsked(files))) return;
      await writeFile(files.control, files.thaw).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT" && error.code !== "ENODEV") throw error;
      });
    },
    async isFrozen(path) {
      const files = filesOf(path);
      return files !== undefined && (await isAsked(files));
    },
  };
}
