import { PlyError } from "../error.ts";
import {
  checkResources,
  NO_LIMITS,
  type OciLimits,
  type OciRuntime,
  ociLimits,
  type Resources,
} from "../runtime/index.ts";
import type { ContainerRecord, Containers, HostOptions } from "./containers.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { checkName } from "./name.ts";
import { hasHostNetwork } from "./networking.ts";
import type { ContainersParts } from "./parts.ts";
import { hasProcess, isActive, nextStatus } from "./state.ts";
import type { ContainerTable } from "./table.ts";

type Controls = Pick<Containers, "restart" | "pause" | "unpause" | "rename" | "update" | "usage">;

/** The limits that will hold on this host, and what the user should know of the others. Throws "invalid". */
export function checkLimits(
  { limits }: Pick<OciRuntime, "limits">,
  host: HostOptions,
): { readonly host: HostOptions; readonly warnings: readonly string[] } {
  if (host.autoRemove && host.restart !== undefined && host.restart.name !== "no")
    throw new PlyError("invalid", "can't create 'AutoRemove' container with restart policy");
  if (host.resources === undefined) return { host, warnings: [] };
  const { resources, warnings } = checkResources(host.resources, limits);
  return { host: { ...host, resources }, warnings };
}

/** What can be done to a container between its start and its end. */
export function createControls(
  parts: ContainersParts & {
    readonly table: ContainerTable;
    readonly lifecycle: Lifecycle;
    readonly stop: Containers["stop"];
    readonly renamed: (record: ContainerRecord) => void;
  },
): Controls {
  const { table, lifecycle, runtime } = parts;
  const { emit, liveOf, change } = lifecycle;

  /** Runs the step in the container's turn, with its record as it is then. */
  async function inTurn<T>(
    name: string,
    step: (record: ReturnType<typeof change>) => Promise<T>,
  ): Promise<T> {
    const { id } = table.find(name).record;
    return liveOf(id).inTurn(() => step(table.find(id).record));
  }

  /** All that is limited, and what is not any more. */
  const changedLimits = (resources: Resources, given: Partial<Resources>): OciLimits => ({
    ...ociLimits(resources, runtime.limits),
    ...((given.pidsLimit ?? 0) < 0 ? { pids: { limit: -1 } } : {}),
  });

  return {
    async restart(name, options) {
      const { record } = table.find(name);
      const live = liveOf(record.id);
      live.isRestarted = true;
      try {
        await parts.stop(record.id, options);
        // What follows its end comes before its next start, which `start` waits for.
        await lifecycle.start(record.id);
      } finally {
        live.isRestarted = false;
      }
      emit(table.get(record.id)?.record ?? record, "restart");
    },

    pause: (name) =>
      inTurn(name, async ({ id, status }) => {
        nextStatus(status, "paused", id);
        await runtime.pause(id);
        emit(change(id, { status: "paused" }), "pause");
      }),

    unpause: (name) =>
      inTurn(name, async ({ id, status }) => {
        if (status !== "paused")
          throw new PlyError(
            "conflict",
            isActive(status) ? `Container ${id} is not paused` : `Container ${id} is not running`,
          );
        await runtime.resume(id);
        emit(change(id, { status: "running" }), "unpause");
      }),

    rename: (name, given) =>
      inTurn(name, async ({ id, name: old }) => {
        const to = given.replace(/^\//, "");
        if (to === "") throw new PlyError("invalid", "Neither old nor new names may be empty");
        if (to === old)
          throw new PlyError("invalid", "Renaming a container with the same name as its current name");
        checkName(to);
        try {
          table.claimName(to, id);
        } catch (error) {
          if (!(error instanceof PlyError)) throw error;
          const { kind, details, message } = error;
          throw new PlyError(kind, `Error when allocating new name: ${message}`, { details, cause: error });
        }
        const record = change(id, { name: to });
        table.releaseName(old);
        parts.renamed(record);
        emit(record, "rename", { oldName: `/${old}` });
      }),

    update: (name, { resources: given = {}, restart }) =>
      inTurn(name, async ({ id, status, host }) => {
        if (status === "removing" || status === "dead")
          throw refused(id, `Container is marked for removal and cannot be "update".`);
        if (restart !== undefined && restart.name !== "no" && host.autoRemove)
          throw refused(
            id,
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
          );
        const merged = mergeResources(id, host.resources ?? NO_LIMITS, given);
        const { resources, warnings } = checkResources(merged, runtime.limits);
        if (hasProcess(status) && Object.keys(given).length > 0)
          await runtime.update(id, changedLimits(resources, given)).catch((error: Error) => {
            throw refused(id, error.message, error);
          });
        const record = change(id, {
          host: { ...host, resources, ...(restart === undefined ? {} : { restart }) },
        });
        emit(record, "update");
        return warnings;
      }),

    async usage(name) {
      const { id, status, host } = table.find(name).record;
      if (!hasProcess(status)) return undefined;
      return runtime.usage(id, { ownNetwork: !hasHostNetwork(host) });
    },
  };
}

/** Docker's rules for limits that would contradict what is set already. */
function mergeResources(id: string, set: Resources, given: Partial<Resources>): Resources {
  const conflict = (words: string) => refused(id, words);
  if (given.nanoCpus && set.cpuPeriod > 0)
    throw conflict("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
  if (given.nanoCpus && set.cpuQuota > 0)
    throw conflict("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
  if (given.cpuPeriod && set.nanoCpus > 0)
    throw conflict("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
  if (given.cpuQuota && set.nanoCpus > 0)
    throw conflict("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
  if (given.memory && !given.memorySwap && set.memorySwap > 0 && given.memory > set.memorySwap)
    throw conflict(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  return { ...set, ...given };
}

function refused(id: string, words: string, cause?: unknown): PlyError {
  return new PlyError("conflict", `Cannot update container ${id}: ${words}`, { cause });
}
