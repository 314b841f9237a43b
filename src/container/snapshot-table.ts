import { PlyError } from "../error.ts";
import type { Strata } from "../overlay/index.ts";
import type { Records } from "../store/index.ts";
import type { SnapshotDocument } from "./container-snapshots.ts";

/** The snapshots of all containers; every change is in the database before it is seen. */
export interface SnapshotTable {
  of(containerId: string): SnapshotDocument[];
  all(): SnapshotDocument[];
  /** Throws not-found; one that is being made or removed is not there. */
  find(containerId: string, name: string): SnapshotDocument;
  /** In whatever state. */
  ofName(containerId: string, name: string): SnapshotDocument | undefined;
  put(document: SnapshotDocument): void;
  delete(document: SnapshotDocument): void;
  /** The strata of a volume that snapshots keep, but for those of one that goes. */
  pinned(volume: string): Strata[];
  /** A stratum of a container's root or (`volume`) of a volume is in no snapshot any more: it was folded into the next. */
  forget(stratum: string, of: { readonly containerId: string } | { readonly volume: string }): void;
}

export function openSnapshotTable(records: Records): SnapshotTable {
  const documents = new Map<string, SnapshotDocument>();
  for (const { key, value } of records.list()) documents.set(key, value as SnapshotDocument);
  const keyOf = (containerId: string, name: string): string => `${containerId}/${name}`;
  const all = (): SnapshotDocument[] =>
    [...documents.values()].sort((a, b) => a.snapshot.createdAt - b.snapshot.createdAt);
  const without = (strata: Strata, name: string): Strata => strata.filter((each) => each !== name);

  const put = (document: SnapshotDocument): void => {
    const { containerId, name } = document.snapshot;
    records.put(keyOf(containerId, name), document);
    documents.set(keyOf(containerId, name), document);
  };

  return {
    all,
    of: (containerId) => all().filter(({ snapshot }) => snapshot.containerId === containerId),
    find(containerId, name) {
      const found = documents.get(keyOf(containerId, name));
      if (found !== undefined && (found.state === "ready" || found.state === "restoring")) return found;
      throw new PlyError("not-found", `No such snapshot: ${name}`, { details: { containerId, name } });
    },
    ofName: (containerId, name) => documents.get(keyOf(containerId, name)),
    put,
    delete({ snapshot: { containerId, name } }) {
      records.delete(keyOf(containerId, name));
      documents.delete(keyOf(containerId, name));
    },
    pinned: (volume) =>
      all().flatMap(({ state, volumes }) => {
        const strata = volumes[volume];
        return state === "removing" || strata === undefined ? [] : [strata];
      }),
    forget(stratum, of) {
      for (const document of all())
        if ("volume" in of) {
          const strata = document.volumes[of.volume];
          if (strata?.includes(stratum))
            put({ ...document, volumes: { ...document.volumes, [of.volume]: without(strata, stratum) } });
        } else if (document.snapshot.containerId === of.containerId && document.root.includes(stratum))
          put({ ...document, root: without(document.root, stratum) });
    },
  };
}
