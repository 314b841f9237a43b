import { isPlyError, PlyError } from "../error.ts";
import type { ContainerRecord, HostOptions } from "./containers.ts";

/** `container:NAME` → NAME; undefined for any other mode. */
export function joinedName(mode: string | undefined): string | undefined {
  return /^container:(.*)$/s.exec(mode ?? "")?.[1];
}

/** Names of joined containers become ids: they may be renamed. Throws "invalid" when there is none. */
export function withJoinedIds(host: HostOptions, find: (name: string) => ContainerRecord): HostOptions {
  const { settings } = host;
  const named = (mode: string | undefined) => {
    const name = joinedName(mode);
    return name === undefined || name === "" ? mode : `container:${lender(name, find).id}`;
  };
  const [ipcMode, pidMode] = [named(settings?.ipcMode), named(settings?.pidMode)];
  if (settings === undefined || (ipcMode === undefined && pidMode === undefined)) return host;
  return {
    ...host,
    settings: {
      ...settings,
      ...(ipcMode === undefined ? {} : { ipcMode }),
      ...(pidMode === undefined ? {} : { pidMode }),
    },
  };
}

/** The container another one is to share something with. Throws "invalid" with Docker's words when there is none. */
export function lender(name: string, find: (name: string) => ContainerRecord): ContainerRecord {
  try {
    return find(name);
  } catch (error) {
    // A 404 of `create` means a missing image to Docker's client, which would pull it and try again.
    throw isPlyError(error, "not-found")
      ? new PlyError("invalid", error.message, { cause: error, details: error.details })
      : error;
  }
}

/**
 * The running container whose namespace is joined; `what`: "IPC", "PID namespace", as Docker calls it. Throws "conflict" when
 * it does not run, "not-found" when it has gone.
 */
export function runningDonor(
  name: string,
  what: string,
  find: (name: string) => ContainerRecord,
): ContainerRecord {
  const prefix = `can't join ${what} of container ${name}`;
  let record: ContainerRecord;
  try {
    record = find(name);
  } catch (error) {
    throw isPlyError(error, "not-found")
      ? new PlyError("not-found", `${prefix}: ${error.message}`, { cause: error, details: error.details })
      : error;
  }
  if (record.status === "restarting")
    throw new PlyError(
      "conflict",
      `${prefix}: Container ${record.id} is restarting, wait until the container is running`,
    );
  if (record.pid === 0)
    throw new PlyError("conflict", `${prefix}: container ${record.id} is not running`, {
      hint: `ply start ${record.name}`,
    });
  return record;
}
