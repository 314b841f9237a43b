import { PlyError } from "../error.ts";
import type { EventBus } from "../event/index.ts";
import type { ContainerRecord } from "./containers.ts";
import { createLive, type Live } from "./live.ts";
import { nextStatus } from "./state.ts";
import type { ContainerDocument, ContainerTable } from "./table.ts";

/** What is known of each container: its document, which outlives the engine, and its {@link Live}, which does not. */
export interface Register {
  liveOf(id: string): Live;
  /** All that were asked for since this engine started. */
  lives(): Live[];
  forgetLive(id: string): void;
  /** Throws "not-found". */
  documentOf(id: string): ContainerDocument;
  /** Puts the container's record with these fields changed; a change of status must be in the table of states. */
  update(
    document: ContainerDocument,
    changes: Partial<ContainerRecord>,
    rest?: Partial<Omit<ContainerDocument, "record">>,
  ): ContainerRecord;
  emit(record: ContainerRecord, action: string, more?: Readonly<Record<string, string>>): void;
}

export function createRegister({
  table,
  events,
}: {
  readonly table: ContainerTable;
  readonly events: EventBus;
}): Register {
  const lives = new Map<string, Live>();
  return {
    liveOf(id) {
      let live = lives.get(id);
      if (live === undefined) {
        live = createLive({ closesStdin: closesStdin(table.get(id)?.record.process) });
        lives.set(id, live);
      }
      return live;
    },
    lives: () => [...lives.values()],
    forgetLive: (id) => {
      lives.delete(id);
    },
    documentOf(id) {
      const document = table.get(id);
      if (document === undefined) throw new PlyError("not-found", `No such container: ${id}`);
      return document;
    },
    update(document, changes, rest = {}) {
      const { record } = document;
      if (changes.status !== undefined) nextStatus(record.status, changes.status, record.id);
      const changed = { ...record, ...changes };
      table.put({ ...document, ...rest, record: changed });
      return changed;
    },
    emit: (record, action, more = {}) =>
      events.emit({
        type: "container",
        action,
        actor: {
          id: record.id,
          attributes: { ...record.config.Labels, image: record.imageName, name: record.name, ...more },
        },
      }),
  };
}

/** A terminal's input has no end: only pipes are closed with the client that feeds them. */
export function closesStdin(process: ContainerRecord["process"] | undefined): boolean {
  return process?.openStdin === true && process.stdinOnce && !process.tty;
}
