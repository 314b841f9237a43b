import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, PlyError } from "../error.ts";
import { readText } from "../host-file.ts";
import { removeSmallTree } from "../overlay/index.ts";
import { attachTo } from "./attach.ts";
import { inspectCgroups, removeCgroup, writeLimit } from "./cgroup.ts";
import { openMoveAnnouncer } from "./cgroup-moves.ts";
import { readOomKills, readUsage } from "./cgroup-stats.ts";
import { CONMON_PID_FILE, launchConmon, PID_FILE } from "./conmon.ts";
import { execWithPipes } from "./exec-pipes.ts";
import { execOnTerminal } from "./exec-terminal.ts";
import { watchExits } from "./exits.ts";
import { launchFailure } from "./failure.ts";
import { createFreezer } from "./freezer.ts";
import { keepNullDevice } from "./null-device.ts";
import type { OciLimits } from "./oci-limits.ts";
import { processIds } from "./processes.ts";
import { findConmon, openRuntimePrograms, type ProgramsOptions, type RuntimeProgram } from "./programs.ts";
import { favorQuickMoves } from "./quick-moves.ts";
import { grantRealtime } from "./realtime.ts";
import { reopenLog } from "./reopen-log.ts";
import { lostLimits, probeLimits } from "./resources.ts";
import type { LaunchOptions, OciRuntime, RuntimeProcess } from "./runtime.ts";
import { openSealedRuntime } from "./sealed-runtime.ts";
import { openSeccompCache } from "./seccomp-cache.ts";
import type { OciSpec } from "./spec.ts";
import { resizeTerminal } from "./terminal-size.ts";
import { runTool } from "./tool.ts";
import { openToolVersions } from "./tool-version.ts";
import { endUnfinishedLaunch } from "./unfinished.ts";

export interface OpenRuntimeOptions extends ProgramsOptions {
  /** Where bundles, sockets and exit codes live; lost with a reboot: `/run/ply`. */
  readonly runRoot: string;
  readonly conmonPath?: string;
  /** False: the host's cgroups stay as they are, though processes get into them later. */
  readonly favorsQuickMoves?: boolean;
}

const CGROUP_PARENT = "/ply";

/** The cgroup of a container, below each hierarchy; `parent` is absolute and has no slash at its end. */
export function cgroupPathOf(id: string, parent = CGROUP_PARENT): string {
  return `${parent}/${id}`;
}

const EXEC_FIFO = "exec.fifo";
/** In the bundle of a container that has another runtime than crun: the runtime's name. */
const RUNTIME_FILE = "runtime";
/** In the bundle of a container whose cgroup lies below another one: its path. */
const CGROUP_FILE = "cgroup";

/**
 * Finds crun (or runc) and conmon, looks at the host's cgroups and cures them where crun needs it. Files of
 * its own lie in memory, as a rule: where a start or an end waits for them they are touched without a detour by another thread.
 */
export async function openRuntime(options: OpenRuntimeOptions): Promise<OciRuntime> {
  const home = join(options.runRoot, "runtime");
  const stateDir = join(home, "state");
  const bundlesDir = join(home, "bundles");
  const exitDir = join(home, "exits");
  await Promise.all(
    [stateDir, bundlesDir, exitDir].map((dir) => mkdir(dir, { recursive: true, mode: 0o700 })),
  );
  const conmonPath = await findConmon(options.conmonPath);
  const versions = openToolVersions(join(home, "versions.json"));
  const [conmonVersion, programs] = await Promise.all([
    versions.of(conmonPath),
    openRuntimePrograms(options, versions),
  ]);
  const { usual, hasCgroups } = programs;
  const cgroups = await inspectCgroups();
  const freezer = createFreezer(cgroups);
  const limits = await probeLimits(cgroups, hasCgroups, CGROUP_PARENT);
  const runtimeArgs = [`--root=${stateDir}`];
  if (!hasCgroups) runtimeArgs.push("--cgroup-manager=disabled");
  const filters = openSeccompCache(join(home, "seccomp"), usual.version);
  const sealed = openSealedRuntime(usual.path);
  const running = new Map<string, RuntimeProgram>();
  const groups = new Map<string, string>();
  const restoreNull = keepNullDevice();
  const moves = hasCgroups
    ? favorQuickMoves(options.favorsQuickMoves !== false)
    : { isQuick: true, words: [] };
  const announceMove = moves.isQuick ? () => undefined : openMoveAnnouncer(cgroups);
  const bundleOf = (id: string): string => join(bundlesDir, id);
  const statePath = (id: string): string => join(stateDir, id);
  const cgroupOf = (id: string): string => {
    const known = groups.get(id);
    if (known !== undefined) return known;
    const path = readText(join(bundleOf(id), CGROUP_FILE)) || cgroupPathOf(id);
    groups.set(id, path);
    return path;
  };
  const exits = watchExits({
    exitDir,
    bundleOf,
    onLost: forceDelete,
    oomKills: (id) => readOomKills(cgroups, cgroupOf(id)),
  });

  function pidOf(id: string): number | undefined {
    const text = readText(join(bundleOf(id), PID_FILE));
    return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
  }

  async function programOf(id: string): Promise<RuntimeProgram> {
    const known = running.get(id);
    if (known !== undefined) return known;
    const name = readText(join(bundleOf(id), RUNTIME_FILE));
    // One that is not there any more cannot be asked: the usual one clears away as well as it can.
    const program = await programs.get(name || (programs.known.has("crun") ? "crun" : "")).catch(() => usual);
    running.set(id, program);
    return program;
  }

  async function forceDelete(id: string): Promise<void> {
    // With v1 nothing that is frozen can be killed.
    await freezer.thaw(cgroupOf(id));
    await runTool((await programOf(id)).path, [...runtimeArgs, "delete", "--force", id]);
  }

  function removeFiles(id: string): void {
    exits.forget(id);
    // The bundle last: as long as it is there the next engine knows of the rest, and a stale exit would be the next run's.
    rmSync(join(exitDir, id), { force: true });
    // Sessions that have ended with it clear away what was theirs.
    removeSmallTree(bundleOf(id));
    running.delete(id);
    groups.delete(id);
  }

  async function create(launch: LaunchOptions): Promise<RuntimeProcess> {
    const { id } = launch;
    announceMove();
    const bundle = bundleOf(id);
    const program = await programs.get(launch.runtime ?? "");
    running.set(id, program);
    const bundled = writeBundle(id, launch.spec, program);
    bundled.catch(() => undefined);
    try {
      mkdirSync(bundle, { recursive: true, mode: 0o700 });
      const { pid, conmonPid, ended } = await launchConmon({
        ...launch,
        conmonPath,
        runtimePath: program === usual ? sealed.path() : program.path,
        runtimeArgs,
        bundle,
        exitDir,
        bundleReady: bundled.then(() => undefined),
      });
      exits.own(id, ended);
      restoreNull();
      writeFileSync(join(bundle, CONMON_PID_FILE), String(conmonPid));
      const { spec, isCompiled } = await bundled;
      if (program.isCrun && !isCompiled) await filters.learn(spec, statePath(id));
      return { id, pid, conmonPid };
    } catch (error) {
      const bundle = await bundled.catch(() => undefined);
      // A runtime that failed has cleaned up after itself, as a rule.
      if (existsSync(statePath(id))) await forceDelete(id);
      removeCgroup(cgroups, cgroupOf(id));
      removeFiles(id);
      throw bundle === undefined
        ? error
        : launchFailure(program.name, error, bundle.spec.process.args[0] ?? "");
    }
  }

  async function writeBundle(id: string, given: LaunchOptions["spec"], { name, isCrun }: RuntimeProgram) {
    const bundle = bundleOf(id);
    const spec = await given;
    const cgroup = spec.linux.cgroupsPath ?? cgroupPathOf(id);
    groups.set(id, cgroup);
    if (spec.linux.resources?.cpu?.realtimeRuntime) grantRealtime(cgroups, spec.linux.cgroupsPath ?? "");
    const final = isCrun ? await filters.apply(spec) : spec;
    mkdirSync(bundle, { recursive: true, mode: 0o700 });
    writeFileSync(join(bundle, "config.json"), JSON.stringify(final), { mode: 0o600 });
    if (name !== "crun") writeFileSync(join(bundle, RUNTIME_FILE), name);
    if (cgroup !== cgroupPathOf(id)) writeFileSync(join(bundle, CGROUP_FILE), cgroup);
    return { spec, isCompiled: final !== spec };
  }

  async function start(id: string): Promise<void> {
    const { name, path, isCrun } = await programOf(id);
    if (isCrun && releaseFifo(join(statePath(id), EXEC_FIFO))) return;
    const { exitCode, output } = await runTool(path, [...runtimeArgs, "start", id]);
    if (exitCode !== 0) throw launchFailure(name, new Error(output), commandOf(bundleOf(id)));
  }

  async function kill(id: string, signal: number): Promise<void> {
    const pid = pidOf(id);
    // The pid cannot have been reused while conmon, its reaper, has not written the exit code.
    if (pid === undefined || existsSync(join(exitDir, id))) throw goneError(id);
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (codeOf(error) === "ESRCH") throw goneError(id);
      throw error;
    }
  }

  async function update(id: string, given: OciLimits): Promise<void> {
    const path = join(bundleOf(id), "limits.json");
    const { pids, ...others } = given;
    const isUnbounded = pids !== undefined && pids.limit < 0;
    // crun writes -1 as it is, which the kernel does not take.
    if (isUnbounded) await writeLimit(cgroups, cgroupOf(id), { controller: "pids", file: "pids.max" }, "max");
    await writeFile(path, JSON.stringify(isUnbounded ? others : given), { mode: 0o600 });
    try {
      const args = [...runtimeArgs, "update", "--resources", path, id];
      const program = await programOf(id);
      const { exitCode, output } = await runTool(program.path, args);
      if (exitCode !== 0) throw new PlyError("internal", output.trim() || `${program.name} update failed`);
    } finally {
      await rm(path, { force: true });
    }
  }

  async function processOf(id: string) {
    const text = readText(join(bundleOf(id), "config.json"));
    if (text === "") throw goneError(id);
    const { process: spec, hostname = "" } = JSON.parse(text) as OciSpec;
    return { process: spec, hostname };
  }

  async function members(id: string): Promise<number[]> {
    return processIds(cgroups, hasCgroups ? cgroupOf(id) : null, pidOf(id) ?? 0);
  }

  async function remove(id: string): Promise<void> {
    const pid = pidOf(id);
    // Known, but without the pid that a monitor writes when all is made: its maker may still be at it.
    if (pid === undefined && existsSync(bundleOf(id))) await endUnfinishedLaunch(bundleOf(id));
    const isRunning = pid !== undefined && !existsSync(join(exitDir, id));
    // In the usual case all that is left of the process is a directory or two: no need for the runtime.
    if (isRunning || !removeCgroup(cgroups, cgroupOf(id))) {
      if (existsSync(statePath(id))) await forceDelete(id);
      if (isRunning) await exits.wait(id).catch(() => undefined);
      removeCgroup(cgroups, cgroupOf(id));
    }
    removeSmallTree(statePath(id));
    removeFiles(id);
  }

  return {
    name: usual.name,
    version: usual.version,
    conmonVersion,
    warnings: [...programs.warnings, ...lostLimits(limits, hasCgroups), ...moves.words],
    hasCgroups,
    runtimes: programs.known,
    async checkRuntime(name) {
      await programs.get(name);
    },
    limits,
    bundleOf,
    create,
    attach: (id) => attachTo(join(bundleOf(id), "attach")),
    start,
    kill,
    resize: (id, size) => resizeTerminal(join(bundleOf(id), "ctl"), size),
    pause: (id) => freezer.freeze(cgroupOf(id)),
    resume: (id) => freezer.thaw(cgroupOf(id)),
    isPaused: (id) => freezer.isFrozen(cgroupOf(id)),
    update,
    usage: async (id, { ownNetwork }) =>
      readUsage(cgroups, cgroupOf(id), { pid: pidOf(id) ?? 0, ownNetwork, at: Date.now() }),
    processOf,
    processIds: members,
    announceExec: announceMove,
    async exec(id, options) {
      const program = await programOf(id);
      const context = {
        id,
        bundle: bundleOf(id),
        runtime: program.name,
        runtimePath: program.path,
        runtimeFile: program === usual ? sealed.path() : program.path,
        runtimeArgs,
        members: () => members(id),
      };
      return options.process.terminal
        ? execOnTerminal({ ...context, conmonPath }, options)
        : execWithPipes(context, options);
    },
    reopenLog: (id) => reopenLog(bundleOf(id)),
    waitExit: (id, signal) => exits.wait(id, signal),
    delete: remove,
    list: () => readdir(bundlesDir),
    async [Symbol.asyncDispose]() {
      exits[Symbol.dispose]();
      sealed[Symbol.dispose]();
    },
  };
}

/**
 * What `crun start` does, without the process: the created process waits for a byte in its fifo, and no
 * fifo means that it was started. False when that is not how this container waits.
 */
function releaseFifo(path: string): boolean {
  try {
    const fifo = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      unlinkSync(path);
      writeSync(fifo, " ");
      return true;
    } finally {
      closeSync(fifo);
    }
  } catch {
    return false;
  }
}

function commandOf(bundle: string): string {
  const spec = JSON.parse(readText(join(bundle, "config.json")) || "{}") as { process?: { args?: string[] } };
  return spec.process?.args?.[0] ?? "";
}

function goneError(id: string): PlyError {
  return new PlyError("conflict", `container ${id} is not running`);
}
