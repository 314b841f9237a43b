import { PlyError } from "../error.ts";
import type { ContainerStatus } from "./containers.ts";

/**
 * What may follow what. Everything that changes a status goes through {@link nextStatus}: whoever wonders
 * what a container can do asks this table.
 */
const TRANSITIONS: Readonly<Record<ContainerStatus, readonly ContainerStatus[]>> = {
  // A start that failed leaves `created`, with the reason.
  created: ["created", "running", "removing"],
  running: ["paused", "restarting", "exited"],
  paused: ["running", "restarting", "exited"],
  // Between two runs: its restart policy starts it again in a moment.
  restarting: ["running", "restarting", "exited"],
  exited: ["exited", "running", "removing"],
  // A removal that failed half way can only be tried again.
  removing: ["dead", "removing"],
  dead: ["removing"],
};

const WITH_PROCESS: ReadonlySet<ContainerStatus> = new Set(["running", "paused"]);

/** Whether the table of states has this step. */
export function canBecome(from: ContainerStatus, to: ContainerStatus): boolean {
  return TRANSITIONS[from].includes(to);
}

/** True while there is a process, frozen or not. */
export function hasProcess(status: ContainerStatus): boolean {
  return WITH_PROCESS.has(status);
}

/** Docker's "running": it has a process, or its restart policy is about to give it one. */
export function isActive(status: ContainerStatus): boolean {
  return WITH_PROCESS.has(status) || status === "restarting";
}

/** `to`, or "conflict" in words about the container. */
export function nextStatus(from: ContainerStatus, to: ContainerStatus, id: string): ContainerStatus {
  if (canBecome(from, to)) return to;
  throw new PlyError("conflict", refusal(from, to, id), { details: { id, from, to } });
}

/** Docker's words for the transitions that users ask for. */
function refusal(from: ContainerStatus, to: ContainerStatus, id: string): string {
  if (from === "paused" && to === "paused") return `Container ${id} is already paused`;
  if (from === "restarting" && to === "paused")
    return `Container ${id} is restarting, wait until the container is running`;
  if (to === "paused") return `Container ${id} is not running`;
  if (to === "running" && (from === "removing" || from === "dead"))
    return "container is marked for removal and cannot be started";
  return `container ${id} is ${from}: it cannot become ${to}`;
}
