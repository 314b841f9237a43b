import { PlyError } from "../error.ts";
import type { ContainerStatus } from "./containers.ts";

/**
 * What may follow what. Everything that changes a status goes through {@link nextStatus}: whoever wonders
 * what a container can do asks this table.
 */
const TRANSITIONS: Readonly<Record<ContainerStatus, readonly ContainerStatus[]>> = {
  // A start that failed leaves `created`, with the reason.
  created: ["created", "running", "removing"],
  running: ["exited"],
  exited: ["exited", "running", "removing"],
  // A removal that failed half way can only be tried again.
  removing: ["dead", "removing"],
  dead: ["removing"],
};

export function canBecome(from: ContainerStatus, to: ContainerStatus): boolean {
  return TRANSITIONS[from].includes(to);
}

/** `to`, or "conflict" in words about the container. */
export function nextStatus(from: ContainerStatus, to: ContainerStatus, id: string): ContainerStatus {
  if (canBecome(from, to)) return to;
  throw new PlyError("conflict", `container ${id} is ${from}: it cannot become ${to}`, {
    details: { id, from, to },
  });
}
