import { join } from "node:path";
import { PlyError } from "../error.ts";
import type { OciRuntime } from "../runtime/index.ts";
import type { ContainerRecord, HostOptions } from "./containers.ts";
import type { Live } from "./live.ts";
import { logPathOf, mendLog, removeLogs } from "./log-files.ts";
import { logDetails, resolveLogging, rotationOf } from "./log-option.ts";
import { readLog } from "./log-reader.ts";
import { startLogRotation } from "./log-rotation.ts";
import type { ContainerLogs } from "./logs.ts";
import { hasProcess, isActive } from "./state.ts";
import type { ContainerTable } from "./table.ts";

export interface ContainerLogsParts {
  readonly table: ContainerTable;
  readonly runtime: OciRuntime;
  readonly root: string;
  readonly liveOf: (id: string) => Live;
  readonly onTrouble?: (message: string, error: unknown) => void;
}

/** Where conmon shall write; null: nowhere. Called before each start. */
export function prepareLog(dir: string, host: HostOptions): string | null {
  if (host.logging?.driver === "none") return null;
  mendLog(dir);
  return logPathOf(dir);
}

export function openContainerLogs({
  table,
  runtime,
  root,
  liveOf,
  onTrouble,
}: ContainerLogsParts): ContainerLogs & Disposable {
  const dirOf = (id: string) => join(root, "containers", id);
  const rotation = startLogRotation({
    running: () =>
      table.list().flatMap(({ record: { id, status, host } }) => {
        const logging = resolveLogging(host.logging);
        return !hasProcess(status) || logging.driver === "none"
          ? []
          : [{ id, dir: dirOf(id), rotation: rotationOf(logging) }];
      }),
    reopen: (id) => runtime.reopenLog(id),
    onTrouble: (message, error) => onTrouble?.(message, error),
  });

  function readable(name: string): ContainerRecord {
    const { record } = table.find(name);
    if (record.status === "removing" || record.status === "dead")
      throw new PlyError("conflict", "can not get logs from container which is dead or marked for removal");
    if (record.host.logging?.driver === "none")
      throw new PlyError("unsupported", "configured logging driver does not support reading");
    return record;
  }

  return {
    logs(name, options, signal) {
      const { id, config, host } = readable(name);
      const live = liveOf(id);
      const logging = resolveLogging(host.logging);
      const source = {
        dir: dirOf(id),
        prefix: options.details
          ? logDetails(logging, { labels: config.Labels ?? {}, env: config.Env ?? [] })
          : "",
        isLive: () => isActive(table.get(id)?.record.status ?? "exited"),
        nextExit: () => live.nextExit.promise,
        onRemoval(hold: () => void) {
          live.logReaders.add(hold);
          return () => void live.logReaders.delete(hold);
        },
      };
      return readLog(source, options, signal);
    },
    async clearLogs(name) {
      const { id } = readable(name);
      await liveOf(id).inTurn(async () => {
        if (hasProcess(table.get(id)?.record.status ?? "exited")) await rotation.clear(id, dirOf(id));
        else removeLogs(dirOf(id));
      });
    },
    [Symbol.dispose]: () => rotation[Symbol.dispose](),
  };
}
