import { existsSync, type FSWatcher, statSync, watch } from "node:fs";
import { join } from "node:path";
import { PlyError } from "../error.ts";
import { readText } from "../host-file.ts";
import { CONMON_PID_FILE } from "./conmon.ts";
import type { ExitStatus } from "./runtime.ts";

/** How often a conmon that is not our child is looked at: only its violent death goes unnoticed otherwise. */
const ADOPTED_CHECK_MS = 1000;
/** As if killed by SIGKILL: what is recorded when conmon died without a word. */
const LOST_EXIT_CODE = 137;

export interface Exits extends Disposable {
  /** Notes that our own conmon of this container ends with `ended`. */
  own(id: string, ended: Promise<void>): void;
  /** Resolves once the container's exit code is written, or its conmon has died without writing one. */
  wait(id: string, signal?: AbortSignal): Promise<ExitStatus>;
  forget(id: string): void;
}

export interface ExitsOptions {
  readonly exitDir: string;
  readonly bundleOf: (id: string) => string;
  /** Called before a lost exit is reported: nothing may go on running unwatched. */
  readonly onLost: (id: string) => Promise<void>;
  /** How many of its processes the kernel killed for want of memory. */
  readonly oomKills: (id: string) => number;
}

/**
 * How containers end. A conmon we started is our child: its end says all. Those of an earlier engine are
 * noticed by the exit file they write (one inotify watch for all), or by their process being gone.
 */
export function watchExits({ exitDir, bundleOf, onLost, oomKills }: ExitsOptions): Exits {
  const children = new Map<string, Promise<void>>();
  const waiting = new Map<string, Set<() => void>>();
  let watcher: FSWatcher | undefined;
  const wakeAll = () => {
    for (const wakes of waiting.values()) for (const wake of wakes) wake();
  };
  const watchDirectory = () => {
    watcher ??= watch(exitDir, (_event, name) => {
      if (name === null) return wakeAll();
      for (const wake of waiting.get(String(name)) ?? []) wake();
    }).on("error", () => undefined);
  };

  function readExit(id: string): ExitStatus | undefined {
    const path = join(exitDir, id);
    const text = readText(path);
    if (!/^\d+\s*$/.test(text)) return undefined;
    return {
      exitCode: Number(text) & 0xff,
      oomKilled: existsSync(join(bundleOf(id), "oom")) || oomKills(id) > 0,
      finishedAt: Math.trunc(statSync(path).mtimeMs),
    };
  }

  async function lost(id: string): Promise<ExitStatus> {
    const late = readExit(id);
    if (late !== undefined) return late;
    await onLost(id);
    return { exitCode: LOST_EXIT_CODE, oomKilled: false, finishedAt: Date.now() };
  }

  async function waitAdopted(id: string, signal: AbortSignal | undefined): Promise<ExitStatus> {
    watchDirectory();
    for (;;) {
      let wake: () => void = () => undefined;
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const wakes = waiting.get(id) ?? new Set();
      waiting.set(id, wakes.add(wake));
      const timer = setTimeout(wake, ADOPTED_CHECK_MS);
      signal?.addEventListener("abort", wake);
      try {
        const status = readExit(id);
        if (status !== undefined) return status;
        if (!conmonLives(bundleOf(id))) return await lost(id);
        await woken;
        abortIf(signal);
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        wakes.delete(wake);
        if (wakes.size === 0) waiting.delete(id);
      }
    }
  }

  return {
    own(id, ended) {
      children.set(id, ended);
    },
    async wait(id, signal) {
      abortIf(signal);
      const child = children.get(id);
      if (child === undefined) return waitAdopted(id, signal);
      if (signal === undefined) await child;
      else {
        let stop: () => void = () => undefined;
        const stopped = new Promise<void>((resolve) => {
          stop = resolve;
        });
        signal.addEventListener("abort", stop);
        await Promise.race([child, stopped]);
        signal.removeEventListener("abort", stop);
        abortIf(signal);
      }
      return readExit(id) ?? lost(id);
    },
    forget(id) {
      children.delete(id);
    },
    [Symbol.dispose]() {
      watcher?.close();
    },
  };
}

function abortIf(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new PlyError("cancelled", "no longer waiting for the container", { cause: signal.reason });
}

/** True while the conmon that wrote its pid into the bundle runs; a reused pid is told by its command line. */
function conmonLives(bundle: string): boolean {
  const pid = readText(join(bundle, CONMON_PID_FILE)).trim();
  if (!/^\d+$/.test(pid)) return false;
  return readText(`/proc/${pid}/cmdline`).split("\0").includes(bundle);
}
