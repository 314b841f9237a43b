import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { PlyError, throwIfAborted } from "../error.ts";
import type { DiffId, Digest } from "../oci/index.ts";
import { digestOf, hexOf, MEDIA_TYPE } from "../oci/index.ts";
import type { Database, Row } from "./database.ts";
import { integer, text } from "./database.ts";
import { storageFailure } from "./failure.ts";
import type { Flights, Fly } from "./flight.ts";
import { openFlights } from "./flight.ts";
import type { Ingested, LayerIngest } from "./ingest.ts";
import { INGEST, layerPath, syncDirectory, temporaryPath } from "./layout.ts";
import type { LeaseTable } from "./lease.ts";
import type { Shelf } from "./shelf.ts";
import type { CompressedForm, LayerRecord, LayerSource, Layers } from "./store.ts";

/** The part file of a compressed layer, under `ingest/`. */
const partName = (digest: Digest): string => `${hexOf(digest)}.part`;

export interface LayerParts {
  readonly root: string;
  readonly database: Database;
  readonly shelf: Shelf;
  readonly leases: LeaseTable;
  readonly ingest: LayerIngest;
  readonly clock: () => number;
}

/** The layers and what is on its way to become one. */
export interface LayerTable {
  readonly layers: Layers;
  readonly flights: Flights;
  /** True for names under `ingest/` that a flight writes to. */
  isInUse(name: string): boolean;
}

const MEDIA_TYPE_OF: Readonly<Record<Ingested["compression"], string>> = {
  none: MEDIA_TYPE.ociLayer,
  gzip: MEDIA_TYPE.ociLayerGzip,
  zstd: MEDIA_TYPE.ociLayerZstd,
};

export function layerTable({ root, database, shelf, leases, ingest, clock }: LayerParts): LayerTable {
  const inUse = new Set<string>();
  const get = (diffId: DiffId): LayerRecord | undefined => {
    const row = database.get("SELECT * FROM layers WHERE diff_id = ?", diffId);
    return row === undefined ? undefined : recordOf(root, row);
  };
  const findByDigest = (digest: Digest): LayerRecord | undefined => {
    const row = database.get(
      "SELECT l.* FROM layers l JOIN forms f ON f.diff_id = l.diff_id WHERE f.digest = ?",
      digest,
    );
    return row === undefined ? undefined : recordOf(root, row);
  };
  const rememberForm: Layers["rememberForm"] = (form, repository) =>
    database.transaction(() => {
      if (get(form.diffId) === undefined)
        throw new PlyError("not-found", `layer ${form.diffId} is not in the store`);
      database.run(
        `INSERT INTO forms VALUES (?, ?, ?, ?)
         ON CONFLICT (digest) DO UPDATE SET media_type = excluded.media_type`,
        form.digest,
        form.diffId,
        form.mediaType,
        form.size,
      );
      if (repository !== undefined)
        database.run("INSERT OR IGNORE INTO form_repositories VALUES (?, ?)", form.digest, repository);
    });

  const fly: Fly = async (source, { signal, report, owners }) => {
    const temporary = temporaryPath(root, "layer");
    const part = source.resumable && source.digest !== undefined ? partName(source.digest) : undefined;
    const names = [temporary.slice(temporary.lastIndexOf("/") + 1), ...(part === undefined ? [] : [part])];
    for (const name of names) inUse.add(name);
    try {
      await mkdir(temporary, { mode: 0o700 });
      const indexPath = join(temporary, "index");
      const ingested = await ingest(
        {
          tarPath: join(temporary, "layer.tar"),
          indexPath,
          ...(part === undefined ? {} : { partPath: join(root, INGEST, part) }),
          ...(source.digest === undefined ? {} : { digest: source.digest }),
          ...(source.size === undefined ? {} : { size: source.size }),
          ...(source.diffId === undefined ? {} : { diffId: source.diffId }),
        },
        (offset, streamSignal) => source.open(offset, streamSignal),
        {
          signal,
          onProgress: (bytes) => report({ phase: "downloading", bytes, total: source.size }),
          onVerifying: () => report({ phase: "verifying" }),
        },
      );
      const indexDigest = digestOf(await readFile(indexPath));
      await syncDirectory(temporary);
      throwIfAborted(signal);
      await shelf.publish(temporary, layerPath(ingested.diffId), () => {
        database.run(
          "INSERT OR IGNORE INTO layers VALUES (?, ?, ?, ?, ?, ?)",
          ingested.diffId,
          ingested.tarSize,
          ingested.contentSize,
          ingested.entryCount,
          indexDigest,
          clock(),
        );
        rememberForm(
          {
            diffId: ingested.diffId,
            digest: ingested.digest,
            mediaType: source.mediaType ?? MEDIA_TYPE_OF[ingested.compression],
            size: ingested.size,
          },
          source.repository,
        );
        for (const owner of owners()) leases.refer(owner, "layer", ingested.diffId);
      });
      return ingested.diffId;
    } catch (error) {
      throw storageFailure(error, `taking in layer ${source.digest ?? source.diffId ?? "of unknown digest"}`);
    } finally {
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
      for (const name of names) inUse.delete(name);
    }
  };
  const flights = openFlights(fly);

  /** The layer when it is here already, kept by the lease from this moment on. */
  const claim = (source: LayerSource, owner: string): LayerRecord | undefined =>
    database.transaction(() => {
      const byDigest = source.digest === undefined ? undefined : findByDigest(source.digest);
      if (byDigest !== undefined) requireSame(source, byDigest.diffId);
      const found = byDigest ?? (source.diffId === undefined ? undefined : get(source.diffId));
      if (found === undefined) return undefined;
      leases.refer(owner, "layer", found.diffId);
      // Only what was verified here is remembered: a manifest may pair a digest with any DiffID it likes.
      if (byDigest !== undefined && source.digest !== undefined && source.repository !== undefined)
        database.run(
          "INSERT OR IGNORE INTO form_repositories VALUES (?, ?)",
          source.digest,
          source.repository,
        );
      return found;
    });

  const layers: Layers = {
    get,
    findByDigest,
    rememberForm,
    forms: (diffId) => formsOf(database, diffId),
    list: () =>
      database.all("SELECT * FROM layers ORDER BY created_at, diff_id").map((row) => recordOf(root, row)),
    async ingest(source, lease, { signal, onProgress } = {}) {
      throwIfAborted(signal);
      const here = claim(source, lease.owner);
      if (here !== undefined) {
        onProgress?.({ phase: "ready", existed: true });
        return here;
      }
      const diffId = await flights.board(source, { owner: lease.owner, onProgress }, signal);
      requireSame(source, diffId);
      const record = claim({ ...source, diffId }, lease.owner);
      if (record === undefined) throw new PlyError("internal", `layer ${diffId} went as soon as it came`);
      onProgress?.({ phase: "ready", existed: false });
      return record;
    },
  };
  return { layers, flights, isInUse: (name) => inUse.has(name) };
}

function requireSame(source: LayerSource, diffId: DiffId): void {
  if (source.diffId !== undefined && source.diffId !== diffId)
    throw new PlyError(
      "corrupt",
      `layer ${source.digest} unpacks to ${diffId}, not ${source.diffId} as its image says`,
      {
        hint: "the image is broken at its source",
        details: { digest: source.digest, diffId, expected: source.diffId },
      },
    );
}

function formsOf(database: Database, diffId: DiffId): CompressedForm[] {
  return database
    .all(
      `SELECT f.*, (SELECT json_group_array(repository ORDER BY repository) FROM form_repositories r
         WHERE r.digest = f.digest) AS repositories
       FROM forms f WHERE f.diff_id = ? ORDER BY f.digest`,
      diffId,
    )
    .map((row) => ({
      diffId,
      digest: text(row, "digest") as Digest,
      mediaType: text(row, "media_type"),
      size: integer(row, "size"),
      repositories: JSON.parse(text(row, "repositories")) as string[],
    }));
}

function recordOf(root: string, row: Row): LayerRecord {
  const diffId = text(row, "diff_id") as DiffId;
  return {
    diffId,
    dir: join(root, layerPath(diffId)),
    tarSize: integer(row, "tar_size"),
    contentSize: integer(row, "content_size"),
    entryCount: integer(row, "entry_count"),
    createdAt: integer(row, "created_at"),
  };
}
