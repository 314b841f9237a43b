import { PlyError } from "../error.ts";
import type { Strata } from "../overlay/index.ts";
import type { ImageRecord, LayerStack, Records } from "../store/index.ts";
import type { ContainerRecord } from "./containers.ts";
import type { Mountpoint } from "./mountpoint.ts";

/** All that is kept of a container: enough for the next engine to go on with it. */
export interface ContainerDocument {
  readonly record: ContainerRecord;
  /** The image as it was: it may be removed while the container stays. */
  readonly image: ImageRecord;
  readonly stack: LayerStack | null;
  /** Places made in its root for mounts, to be taken away when it has stopped. */
  readonly mountpoints: readonly Mountpoint[];
  /** The writable layer, absolute; null until it was first prepared. */
  readonly upper: string | null;
  /** What it consists of once snapshots share it, as names in the container's directory; absent: `upper` alone. */
  readonly strata?: Strata;
}

/** The containers by id and name; every change is in the database before it is seen. */
export interface ContainerTable {
  /** By id, unambiguous prefix or name (a leading `/` may be there). Throws not-found "No such container: X". */
  find(name: string): ContainerDocument;
  get(id: string): ContainerDocument | undefined;
  list(): ContainerDocument[];
  /** Claims a name for a container about to be put. Throws "conflict" in Docker's words. */
  claimName(name: string, id: string): void;
  releaseName(name: string): void;
  isTaken(name: string): boolean;
  put(document: ContainerDocument): void;
  delete(id: string): void;
}

export function openContainerTable(records: Records): ContainerTable {
  const documents = new Map<string, ContainerDocument>();
  const names = new Map<string, string>();
  for (const { key, value } of records.list()) {
    const document = value as ContainerDocument;
    documents.set(key, document);
    names.set(document.record.name, key);
  }
  return {
    find(given) {
      const name = given.startsWith("/") ? given.slice(1) : given;
      const exact = documents.get(name) ?? documents.get(names.get(name) ?? "");
      if (exact !== undefined) return exact;
      const matches = /^[0-9a-f]+$/.test(name)
        ? [...documents.keys()].filter((id) => id.startsWith(name))
        : [];
      if (matches.length > 1)
        throw new PlyError("invalid", `multiple IDs found with provided prefix: ${name}`, {
          details: { matches },
        });
      const match = documents.get(matches[0] ?? "");
      if (match !== undefined) return match;
      throw new PlyError("not-found", `No such container: ${given}`, { details: { name: given } });
    },
    get: (id) => documents.get(id),
    list: () => [...documents.values()],
    claimName(name, id) {
      const holder = names.get(name);
      if (holder !== undefined)
        throw new PlyError(
          "conflict",
          `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`,
          { details: { name, id: holder } },
        );
      names.set(name, id);
    },
    releaseName: (name) => {
      names.delete(name);
    },
    isTaken: (name) => names.has(name),
    put(document) {
      records.put(document.record.id, document);
      documents.set(document.record.id, document);
    },
    delete(id) {
      records.delete(id);
      const name = documents.get(id)?.record.name;
      documents.delete(id);
      if (name !== undefined && names.get(name) === id) names.delete(name);
    },
  };
}
