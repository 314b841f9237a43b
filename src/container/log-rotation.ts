import { renameSync, rmSync } from "node:fs";
import { logPathOf, rotatedLogs, rotatedPath, sizeOf } from "./log-files.ts";
import type { Rotation } from "./log-option.ts";

const LOOK_EVERY_MS = 1000;
/** While some log grows so fast that it would be far above its size by the next look. */
const LOOK_SOON_MS = 100;
const FAST_SHARE = 0.1;
/** How long conmon may take to open its new file. */
const REOPEN_LIMIT_MS = 5000;

export interface RunningLog {
  readonly id: string;
  readonly dir: string;
  readonly rotation: Rotation;
}

export interface RotationOptions {
  /** The containers that have a process and a log. */
  readonly running: () => readonly RunningLog[];
  /** Has a container's monitor go on in a new file; nothing when it has gone. */
  readonly reopen: (id: string) => Promise<void>;
  readonly onTrouble: (message: string, error: unknown) => void;
}

/**
 * Keeps the logs of running containers within their sizes. A file is moved away first, then conmon told to open a
 * new one, and until it has, it writes to the moved one: nothing is lost, whoever is killed when.
 */
export interface LogRotation extends Disposable {
  /** Moves the log of a running container away, whatever its size, and removes all that was moved. */
  clear(id: string, dir: string): Promise<void>;
}

export function startLogRotation({ running, reopen, onTrouble }: RotationOptions): LogRotation {
  let sizes = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  const plan = (ms: number) => {
    if (isClosed) return;
    timer = setTimeout(() => void look(), ms);
    timer.unref();
  };

  async function look(): Promise<void> {
    let isFast = false;
    const seen = new Map<string, number>();
    for (const { id, dir, rotation } of running())
      try {
        const size = sizeOf(logPathOf(dir));
        // Moved away, and conmon not told yet, perhaps by an engine that was killed: told twice does no harm.
        if (size === undefined) await reopen(id);
        else if (size >= rotation.maxBytes) await rotate(id, dir);
        else prune(dir, rotation.maxFiles - 1);
        if (size === undefined) continue;
        if (size - (sizes.get(id) ?? 0) > rotation.maxBytes * FAST_SHARE) isFast = true;
        seen.set(id, size >= rotation.maxBytes ? 0 : size);
      } catch (error) {
        onTrouble(`container ${id}: rotating its log`, error);
      }
    sizes = seen;
    plan(isFast ? LOOK_SOON_MS : LOOK_EVERY_MS);
  }

  async function rotate(id: string, dir: string): Promise<void> {
    renameSync(logPathOf(dir), rotatedPath(dir, (rotatedLogs(dir).at(-1) ?? 0) + 1));
    await reopen(id);
  }

  plan(LOOK_EVERY_MS);
  return {
    async clear(id, dir) {
      const isThere = () => sizeOf(logPathOf(dir)) !== undefined;
      if (isThere()) await rotate(id, dir);
      for (let waited = 0; !isThere() && waited < REOPEN_LIMIT_MS; waited += 5)
        await new Promise((resolve) => setTimeout(resolve, 5));
      prune(dir, 0);
    },
    [Symbol.dispose]() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

/** Only files that conmon has left are removed: with no `log`, the last of them is still written to. */
function prune(dir: string, keep: number): void {
  const rotated = rotatedLogs(dir);
  const settled = sizeOf(logPathOf(dir)) === undefined ? rotated.slice(0, -1) : rotated;
  for (const number of settled.slice(0, Math.max(0, rotated.length - keep)))
    rmSync(rotatedPath(dir, number), { force: true });
}
