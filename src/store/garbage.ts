import { isPlyError, PlyError } from "../error.ts";
import type { ChainId, DiffId, Digest } from "../oci/index.ts";
import type { Database } from "./database.ts";
import { text } from "./database.ts";
import { storageFailure } from "./failure.ts";
import type { Flights } from "./flight.ts";
import { blobPath, layerPath } from "./layout.ts";
import type { LeaseTable } from "./lease.ts";
import type { Shelf } from "./shelf.ts";
import type { GarbageReport, Store } from "./store.ts";

export interface GarbageParts {
  readonly database: Database;
  readonly shelf: Shelf;
  readonly leases: LeaseTable;
  readonly flights: Flights;
  readonly onChainUnused: () => Store["onChainUnused"];
}

const UNUSED_CHAINS = `
  SELECT chain_id FROM chains c
  WHERE NOT EXISTS (SELECT 1 FROM images i WHERE i.chain_id = c.chain_id)
    AND NOT EXISTS (SELECT 1 FROM lease_refs r WHERE r.kind = 'chain' AND r.ref = c.chain_id)`;

const UNUSED_LAYERS = `
  SELECT diff_id FROM layers l
  WHERE NOT EXISTS (SELECT 1 FROM chain_layers c WHERE c.diff_id = l.diff_id)
    AND NOT EXISTS (SELECT 1 FROM lease_refs r WHERE r.kind = 'layer' AND r.ref = l.diff_id)`;

const UNUSED_BLOBS = `
  SELECT digest FROM blobs b
  WHERE NOT EXISTS (SELECT 1 FROM images i WHERE i.id = b.digest)
    AND NOT EXISTS (SELECT 1 FROM image_manifests m WHERE m.digest = b.digest)
    AND NOT EXISTS (SELECT 1 FROM lease_refs r WHERE r.kind = 'blob' AND r.ref = b.digest)`;

/**
 * Removes what neither an image nor a lease needs: stacks first (through the driver), then layers and blobs.
 * What is needed is decided in the transaction that drops the rows, so nothing that arrives meanwhile is hurt.
 */
export async function collectGarbage(parts: GarbageParts): Promise<GarbageReport> {
  const { database, shelf, leases, flights } = parts;
  leases.expire((owner) => flights.hasOwner(owner));
  const failure = await dropChains(parts);
  const { layers, blobs } = database.transaction(() => {
    const unusedLayers = database.all(UNUSED_LAYERS).map((row) => text(row, "diff_id") as DiffId);
    for (const diffId of unusedLayers) {
      database.run("DELETE FROM layers WHERE diff_id = ?", diffId);
      shelf.condemn(layerPath(diffId));
    }
    const unusedBlobs = database.all(UNUSED_BLOBS).map((row) => text(row, "digest") as Digest);
    for (const digest of unusedBlobs) {
      database.run("DELETE FROM blobs WHERE digest = ?", digest);
      shelf.condemn(blobPath(digest));
    }
    return { layers: unusedLayers, blobs: unusedBlobs };
  });
  let bytesFreed: number;
  try {
    bytesFreed = await shelf.retire([...layers.map(layerPath), ...blobs.map(blobPath)]);
  } catch (error) {
    throw storageFailure(error, "removing unused layers");
  }
  if (failure !== undefined)
    throw new PlyError("internal", "the storage driver could not remove an unused stack of layers", {
      cause: failure,
    });
  return { layers, blobs, bytesFreed };
}

/** What the next collection would look at: stacks, layers and blobs that nothing needs. */
export function unneeded(database: Database): { readonly what: string; readonly ref: string }[] {
  const rows = (what: string, sql: string, column: string) =>
    database.all(sql).map((row) => ({ what, ref: text(row, column) }));
  return [
    ...rows("stack", UNUSED_CHAINS, "chain_id"),
    ...rows("layer", UNUSED_LAYERS, "diff_id"),
    ...rows("blob", UNUSED_BLOBS, "digest"),
  ];
}

/** A stack that is mounted stays, with its layers, for the next time. The first failure of another kind. */
async function dropChains({ database, onChainUnused }: GarbageParts): Promise<unknown> {
  let failure: unknown;
  const unused = database.all(UNUSED_CHAINS).map((row) => text(row, "chain_id") as ChainId);
  for (const chainId of unused) {
    if (!isUnused(database, chainId)) continue;
    try {
      await onChainUnused()?.(chainId);
    } catch (error) {
      if (!isPlyError(error, "conflict")) failure ??= error;
      continue;
    }
    database.transaction(() => {
      // An image that came meanwhile keeps it; the driver writes what it took away at the next use.
      if (isUnused(database, chainId)) database.run("DELETE FROM chains WHERE chain_id = ?", chainId);
    });
  }
  return failure;
}

function isUnused(database: Database, chainId: ChainId): boolean {
  return database.get(`${UNUSED_CHAINS} AND c.chain_id = ?`, chainId) !== undefined;
}
