import { createHash } from "node:crypto";
import { lstat, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, isPlyError, messageOf, throwIfAborted } from "../error.ts";
import type { ChainId, DiffId, Digest } from "../oci/index.ts";
import { algorithmOf, digestOf } from "../oci/index.ts";
import type { Database } from "./database.ts";
import { text } from "./database.ts";
import { unneeded } from "./garbage.ts";
import { blobPath, digestOfPath, INGEST, isYoung, layerPath, sizeOnDisk } from "./layout.ts";
import type {
  CheckOptions,
  CheckReport,
  GarbageReport,
  ImageTable,
  LayerRecord,
  Layers,
  Store,
} from "./store.ts";

export interface CheckParts {
  readonly root: string;
  readonly clock: () => number;
  readonly database: Database;
  readonly images: ImageTable;
  readonly layers: Layers;
  readonly blobs: Store["blobs"];
  readonly isInUse: (name: string) => boolean;
  /** True while somebody who has just let go of something waits for the collection. */
  readonly isCollectionDue: () => boolean;
  readonly collectGarbage: () => Promise<GarbageReport>;
}

type Problem = CheckReport["problems"][number];
/** What is wrong with a file that a row promises. */
type Fault = { readonly kind: "missing" | "corrupt"; readonly message: string };

/** Names this process makes under `ingest/`; those of a dead one went at start. */
const OUR_TEMPORARY = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\./;

/**
 * Verifies everything against its digest, looks for files that no row knows, and on request frees those and
 * removes what cannot be whole again: images whose content is damaged (pulling them brings them back).
 */
export async function checkStore(parts: CheckParts, options: CheckOptions): Promise<CheckReport> {
  const { database, images, layers } = parts;
  const { signal, repair } = options;
  const problems: Problem[] = [...databaseProblems(database)];
  let bytesFreed = 0;
  const idle = parts.isCollectionDue() ? [] : unneeded(database);

  const badBlobs = new Map<Digest, Fault>();
  const blobRows = database.all("SELECT digest FROM blobs ORDER BY digest");
  for (const row of blobRows) {
    throwIfAborted(signal);
    const digest = text(row, "digest") as Digest;
    const fault = await blobFault(parts, digest);
    if (fault !== undefined) badBlobs.set(digest, fault);
  }
  const badLayers = new Map<DiffId, Fault>();
  const layerRows = layers.list();
  for (const layer of layerRows) {
    throwIfAborted(signal);
    const fault = await layerFault(database, layer, options);
    if (fault !== undefined) badLayers.set(layer.diffId, fault);
  }

  const hurt = images.list().flatMap((image) => {
    const layer = image.diffIds.find((diffId) => badLayers.has(diffId));
    if (layer !== undefined) return [{ image, because: `its layer ${layer}` }];
    return badBlobs.has(image.id) ? [{ image, because: "its config" }] : [];
  });
  for (const { image, because } of hurt) {
    if (repair) images.remove(image.id);
    problems.push({
      kind: "dangling",
      about: image.names[0] ?? image.repoDigests[0] ?? image.id,
      message: `${because} is missing or damaged${repair ? ": the image was removed, pull it again" : ""}`,
      repaired: repair,
    });
  }
  if (repair) {
    letGo(database, badLayers.keys(), badBlobs.keys());
    bytesFreed += (await parts.collectGarbage()).bytesFreed;
  }
  const stays = new Set((repair ? unneeded(database) : idle).map(({ ref }) => ref));
  for (const { what, ref } of idle) {
    const repaired = !stays.has(ref);
    const message = removedIf(repaired, `neither an image nor a transfer needs this ${what}`);
    problems.push({ kind: "orphan", about: ref, message, repaired });
  }
  for (const [digest, fault] of badBlobs) {
    const repaired = repair && !knows(database, "blobs", digest);
    problems.push({ ...fault, message: removedIf(repaired, fault.message), about: digest, repaired });
  }
  for (const [diffId, fault] of badLayers) {
    const repaired = repair && !knows(database, "layers", diffId);
    const holders = repair && !repaired ? holdersOf(database, diffId) : [];
    const message =
      holders.length > 0
        ? `${fault.message}; held by ${holders.join(", ")}`
        : removedIf(repaired, fault.message);
    problems.push({ ...fault, message, about: diffId, repaired });
  }

  throwIfAborted(signal);
  const known = new Set(
    database.all("SELECT chain_id FROM chains").map((row) => text(row, "chain_id") as ChainId),
  );
  for (const path of [...(await ownOrphans(parts)), ...(await options.foreignOrphans(known))]) {
    const { repaired, bytes, message } = await orphanProblem(path, repair);
    bytesFreed += bytes;
    problems.push({ kind: "orphan", about: path, message, repaired });
  }
  return {
    problems,
    layersVerified: layerRows.length - badLayers.size,
    blobsVerified: blobRows.length - badBlobs.size,
    bytesFreed,
  };
}

function databaseProblems(database: Database): Problem[] {
  const problems: Problem[] = [];
  for (const row of database.all("PRAGMA quick_check(10)")) {
    const message = String(Object.values(row)[0]);
    if (message !== "ok") problems.push({ kind: "corrupt", about: "ply.db", message, repaired: false });
  }
  for (const row of database.all("PRAGMA foreign_key_check"))
    problems.push({
      kind: "dangling",
      about: "ply.db",
      message: `a row of ${String(row["table"])} refers to a missing row of ${String(row["parent"])}`,
      repaired: false,
    });
  return problems;
}

async function blobFault(parts: CheckParts, digest: Digest): Promise<Fault | undefined> {
  try {
    await parts.blobs.get(digest);
    return undefined;
  } catch (error) {
    if (!knows(parts.database, "blobs", digest)) return undefined;
    return { kind: isPlyError(error, "not-found") ? "missing" : "corrupt", message: messageOf(error) };
  }
}

async function layerFault(
  database: Database,
  layer: LayerRecord,
  { openTar, signal }: CheckOptions,
): Promise<Fault | undefined> {
  try {
    const row = database.get("SELECT index_digest FROM layers WHERE diff_id = ?", layer.diffId);
    if (row === undefined) return undefined;
    const indexPath = join(layer.dir, "index");
    if (digestOf(await readFile(indexPath)) !== text(row, "index_digest"))
      return { kind: "corrupt", message: `its index is not what was written (${indexPath})` };
    const hash = createHash(algorithmOf(layer.diffId));
    let size = 0;
    for await (const chunk of openTar(layer)) {
      throwIfAborted(signal);
      hash.update(chunk);
      size += chunk.byteLength;
    }
    const found = `${algorithmOf(layer.diffId)}:${hash.digest("hex")}`;
    if (found === layer.diffId && size === layer.tarSize) return undefined;
    const wanted = size === layer.tarSize ? "" : ` of ${layer.tarSize}`;
    return {
      kind: "corrupt",
      message: `its tar has ${size}${wanted} bytes and the digest ${found} (${layer.dir})`,
    };
  } catch (error) {
    if (signal?.aborted) throw error;
    const missing = codeOf(error) === "ENOENT" || isPlyError(error, "not-found");
    return { kind: missing ? "missing" : "corrupt", message: `${layer.dir}: ${messageOf(error)}` };
  }
}

function knows(database: Database, table: "blobs" | "layers", digest: Digest): boolean {
  const column = table === "blobs" ? "digest" : "diff_id";
  return database.get(`SELECT 1 FROM ${table} WHERE ${column} = ?`, digest) !== undefined;
}

/** Damaged content is of no use to a pull that would go on from it; only containers keep their hold. */
function letGo(database: Database, layers: Iterable<DiffId>, blobs: Iterable<Digest>): void {
  const drop = "DELETE FROM lease_refs WHERE owner NOT LIKE 'container:%' AND kind = ? AND";
  database.transaction(() => {
    for (const diffId of layers) {
      database.run(`${drop} ref = ?`, "layer", diffId);
      database.run(`${drop} ref IN (SELECT chain_id FROM chain_layers WHERE diff_id = ?)`, "chain", diffId);
    }
    for (const digest of blobs) {
      database.run(`${drop} ref = ?`, "blob", digest);
      database.run("DELETE FROM image_manifests WHERE digest = ?", digest);
    }
  });
}

function holdersOf(database: Database, diffId: DiffId): string[] {
  return database
    .all(
      `SELECT DISTINCT owner FROM lease_refs
       WHERE (kind = 'layer' AND ref = ?)
          OR (kind = 'chain' AND ref IN (SELECT chain_id FROM chain_layers WHERE diff_id = ?))
       ORDER BY owner`,
      diffId,
      diffId,
    )
    .map((row) => text(row, "owner"));
}

/** Absolute paths in the store's own directories that no row knows. */
async function ownOrphans({ root, clock, database, isInUse }: CheckParts): Promise<string[]> {
  const orphans: string[] = [];
  for (const directory of ["blobs/sha256", "blobs/sha512", "layers"] as const)
    for (const name of (await readdir(join(root, directory))).sort()) {
      const path = `${directory}/${name}`;
      const digest = digestOfPath(path);
      const isKnown =
        (path === blobPath(digest) && knows(database, "blobs", digest)) ||
        (path === layerPath(digest) && knows(database, "layers", digest)) ||
        // On its way in or out at this moment.
        database.get("SELECT 1 FROM journal WHERE path = ?", path) !== undefined;
      if (!isKnown) orphans.push(join(root, path));
    }
  for (const name of (await readdir(join(root, INGEST))).sort()) {
    const path = join(root, INGEST, name);
    const isPart = name.endsWith(".part") && (isInUse(name) || (await isYoung(path, clock())));
    if (!isPart && !OUR_TEMPORARY.test(name)) orphans.push(path);
  }
  return orphans;
}

function removedIf(removed: boolean, message: string): string {
  return removed ? `${message}: removed` : message;
}

async function orphanProblem(
  path: string,
  repair: boolean,
): Promise<{ repaired: boolean; bytes: number; message: string }> {
  const bytes = await sizeOnDisk(path).catch(() => 0);
  const what = `belongs to nothing in the store (${bytes} bytes)`;
  if (!repair) return { repaired: false, bytes: 0, message: what };
  try {
    await rm(path, { recursive: true, force: true });
    await lstat(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return { repaired: true, bytes, message: `${what}: removed` };
    return { repaired: false, bytes: 0, message: `${what}, and could not be removed: ${messageOf(error)}` };
  }
  return { repaired: true, bytes, message: `${what}: removed` };
}
