import { mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { PlyError } from "../error.ts";
import { failedWith, parseMountinfo, umount } from "../linux/index.ts";
import type { ChainId } from "../oci/index.ts";
import { hexOf } from "../oci/index.ts";
import { unmountAll } from "../overlay/index.ts";
import type { LayerStack } from "../store/index.ts";
import { createTurns } from "../turn.ts";
import type { View } from "./driver.ts";

/** Someone's use of a stack; while there is one, its files stay. */
export interface Hold {
  release(): void;
}

/**
 * The read-only mounts of stacks, at `<runRoot>/mounts/<hex>`, each shared by all who use it. A mount that
 * nobody uses any more stays until its stack is removed: the next `run` finds it there.
 */
export interface Views {
  open(stack: LayerStack): Promise<View>;
  /** Counts as a use, mounts nothing. */
  hold(chainId: ChainId): Hold;
  /** Unmounts an idle view, then does `work`; "conflict" while it is in use. No one can open it meanwhile. */
  close(chainId: ChainId, work: () => Promise<void>): Promise<void>;
  /** After an engine start: takes over the mounts in use, unmounts the others. */
  recover(): void;
  /** Unmounts all idle views. */
  dispose(): Promise<void>;
}

interface Use {
  count: number;
  isMounted: boolean;
}

/** `mountAt` makes the mount; it may expect that the target is an empty directory. */
export function createViews(
  runRoot: string,
  mountAt: (stack: LayerStack, target: string) => Promise<void>,
): Views {
  const directory = join(runRoot, "mounts");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const uses = new Map<string, Use>();
  const turns = createTurns();
  const useOf = (hex: string): Use => {
    let use = uses.get(hex);
    if (use === undefined) {
      use = { count: 0, isMounted: false };
      uses.set(hex, use);
    }
    return use;
  };
  const holdOn = (hex: string): Hold => {
    useOf(hex).count++;
    let held = true;
    return {
      release() {
        const use = useOf(hex);
        if (held) use.count--;
        held = false;
        if (use.count === 0 && !use.isMounted) uses.delete(hex);
      },
    };
  };
  const unmount = (hex: string): void => {
    const target = join(directory, hex);
    try {
      umount(target);
    } catch (error) {
      if (failedWith(error, "EBUSY"))
        throw new PlyError("conflict", `${target} is in use`, { cause: error, details: { path: target } });
      if (!failedWith(error, "EINVAL") && !failedWith(error, "ENOENT")) throw error;
    }
    removeDirectory(target);
    const use = uses.get(hex);
    if (use !== undefined) use.isMounted = false;
    if (use?.count === 0) uses.delete(hex);
  };
  const closeIdle = (hex: string): void => {
    const use = uses.get(hex);
    if (use !== undefined && use.count > 0)
      throw new PlyError("conflict", `the stack ${hex} is mounted (${use.count} uses)`, { details: { hex } });
    unmount(hex);
  };

  return {
    hold: (chainId) => holdOn(hexOf(chainId)),
    open(stack) {
      const hex = hexOf(stack.chainId);
      return turns.take(hex, async () => {
        const path = join(directory, hex);
        const hold = holdOn(hex);
        try {
          if (!useOf(hex).isMounted) {
            unmountAll(path);
            mkdirSync(path, { recursive: true, mode: 0o755 });
            await mountAt(stack, path);
            useOf(hex).isMounted = true;
          }
        } catch (error) {
          hold.release();
          removeDirectory(path);
          throw error;
        }
        return { path, [Symbol.asyncDispose]: async () => hold.release() };
      });
    },
    close: (chainId, work) =>
      turns.take(hexOf(chainId), async () => {
        closeIdle(hexOf(chainId));
        await work();
      }),
    recover() {
      const mounted = new Set(parseMountinfo().map((entry) => entry.target));
      for (const hex of readdirSync(directory)) {
        const isMounted = mounted.has(join(directory, hex));
        const use = uses.get(hex);
        if (use !== undefined && use.count > 0) use.isMounted = isMounted;
        else if (isMounted) unmountAll(join(directory, hex));
        if (use === undefined || use.count === 0) removeDirectory(join(directory, hex));
      }
    },
    async dispose() {
      for (const [hex, use] of [...uses])
        await turns.take(hex, async () => {
          if (use.count > 0) return;
          try {
            unmount(hex);
          } catch {
            // Somebody outside looks at it; the next start unmounts it.
          }
        });
    },
  };
}

function removeDirectory(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Gone already, or a mount point still: harmless in the run root.
  }
}
