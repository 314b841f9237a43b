import { PlyError } from "../error.ts";
import type { ChainId, DiffId, Digest, ImageId } from "../oci/index.ts";
import { chainIdsOf } from "../oci/index.ts";
import type { Database } from "./database.ts";
import { integerOrNull, text, textOrNull } from "./database.ts";
import type { Leases } from "./store.ts";

/** What a lease without a stated end gets when its owner died: time for a second try. */
export const ABANDONED_LEASE_MS = 24 * 60 * 60 * 1000;

/** Leases of containers last as long as the container's record: the container room ends them. */
const LASTING_PREFIX = "container:";

const LAYERS_BESIDE = `
  SELECT diff_id FROM chain_layers c
  WHERE EXISTS (SELECT 1 FROM images i WHERE i.chain_id = c.chain_id)
    OR EXISTS (SELECT 1 FROM lease_refs r WHERE r.kind = 'chain' AND r.ref = c.chain_id)
  UNION
  SELECT ref AS diff_id FROM lease_refs WHERE kind = 'layer' AND substr(owner, 1, ?) <> ?`;

/** Leases as the other parts of the store use them. */
export interface LeaseTable extends Leases {
  /** Adds a reference and pushes the lease's end on by its span; makes the lease anew when it had ended. */
  refer(owner: string, kind: "image" | "layer" | "blob" | "chain", ref: string): void;
  /** Drops leases whose time is over, but for owners of layers in flight. */
  expire(isActive: (owner: string) => boolean): void;
  /** At start: nobody of the last process lives, so what was to be ended by its owner gets an end. */
  abandon(): void;
}

export function leaseTable(database: Database, clock: () => number): LeaseTable {
  const refer: LeaseTable["refer"] = (owner, kind, ref) =>
    database.transaction(() => {
      const now = clock();
      database.run(
        `INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (owner) DO UPDATE
         SET until = max(until, ? + span) WHERE until IS NOT NULL`,
        owner,
        now + ABANDONED_LEASE_MS,
        ABANDONED_LEASE_MS,
        now,
      );
      database.run("INSERT OR IGNORE INTO lease_refs VALUES (?, ?, ?)", owner, kind, ref);
    });

  return {
    refer,
    hold(owner, untilMs) {
      const span = untilMs === undefined ? null : Math.max(0, untilMs - clock());
      database.run(
        "INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (owner) DO UPDATE SET until = excluded.until, span = excluded.span",
        owner,
        untilMs ?? null,
        span,
      );
      return { owner };
    },
    addImage(lease, id) {
      database.transaction(() => {
        const row = database.get("SELECT chain_id FROM images WHERE id = ?", id);
        if (row === undefined) {
          // Held already: what it needs is kept although its record was removed since.
          if (refersTo(database, lease.owner, id)) return;
          throw new PlyError("not-found", `No such image: ${id}`);
        }
        const chainId = textOrNull(row, "chain_id");
        refer(lease.owner, "image", id);
        refer(lease.owner, "blob", id);
        if (chainId !== null) refer(lease.owner, "chain", chainId);
      });
    },
    addLayer(lease, diffId) {
      if (database.get("SELECT 1 FROM layers WHERE diff_id = ?", diffId) === undefined)
        throw new PlyError("not-found", `layer ${diffId} is not in the store`);
      refer(lease.owner, "layer", diffId);
    },
    addBlob(lease, digest) {
      if (database.get("SELECT 1 FROM blobs WHERE digest = ?", digest) === undefined)
        throw new PlyError("not-found", `blob ${digest} is not in the store`);
      refer(lease.owner, "blob", digest);
    },
    addChain(lease, diffIds) {
      return database.transaction(() => {
        const chainId = putChain(database, diffIds);
        refer(lease.owner, "chain", chainId);
        return chainId;
      });
    },
    end(owner) {
      database.run("DELETE FROM leases WHERE owner = ?", owner);
    },
    owners: () => database.all("SELECT owner FROM leases ORDER BY owner").map((row) => text(row, "owner")),
    ownersOf(id: ImageId) {
      return database
        .all("SELECT owner FROM lease_refs WHERE kind = 'image' AND ref = ? ORDER BY owner", id)
        .map((row) => text(row, "owner"));
    },
    layersBeside: (ownerPrefix) =>
      new Set(
        database
          .all(LAYERS_BESIDE, ownerPrefix.length, ownerPrefix)
          .map((row) => text(row, "diff_id") as DiffId),
      ),
    expire(isActive) {
      const over = database.all("SELECT owner, until FROM leases WHERE until <= ?", clock());
      for (const row of over)
        if (integerOrNull(row, "until") !== null && !isActive(text(row, "owner")))
          database.run("DELETE FROM leases WHERE owner = ?", text(row, "owner"));
    },
    abandon() {
      database.run(
        "UPDATE leases SET until = ?, span = 0 WHERE until IS NULL AND substr(owner, 1, ?) <> ?",
        clock() + ABANDONED_LEASE_MS,
        LASTING_PREFIX.length,
        LASTING_PREFIX,
      );
    },
  };
}

function refersTo(database: Database, owner: string, id: ImageId): boolean {
  const sql = "SELECT 1 FROM lease_refs WHERE owner = ? AND kind = 'image' AND ref = ?";
  return database.get(sql, owner, id) !== undefined;
}

/** Records a stack of layers, all of which must be here; its identity. In a transaction of the caller. */
export function putChain(database: Database, diffIds: readonly DiffId[]): ChainId {
  const chainId = chainIdsOf(diffIds).at(-1);
  if (chainId === undefined) throw new PlyError("internal", "a stack has at least one layer");
  for (const diffId of diffIds) requireLayer(database, diffId);
  const added = database.run("INSERT OR IGNORE INTO chains VALUES (?, ?)", chainId, diffIds.join(" "));
  if (added > 0)
    for (const [position, diffId] of diffIds.entries())
      database.run("INSERT INTO chain_layers VALUES (?, ?, ?)", chainId, position, diffId);
  return chainId;
}

function requireLayer(database: Database, diffId: Digest): void {
  if (database.get("SELECT 1 FROM layers WHERE diff_id = ?", diffId) === undefined)
    throw new PlyError("not-found", `layer ${diffId} is not in the store`, {
      hint: "pull or load the image again",
      details: { diffId },
    });
}
