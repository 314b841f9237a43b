import { PlyError } from "../error.ts";
import type { ChainId, DiffId, Digest, ImageId } from "../oci/index.ts";
import type { Database, Row } from "./database.ts";
import { integer, integerOrNull, text, textOrNull } from "./database.ts";
import { putChain } from "./lease.ts";
import type { ImageRecord, ImageTable, NewImage } from "./store.ts";

/** One statement gives whole records; JSON arrays gather what an image has several of. */
const SELECT_IMAGES = `
  SELECT i.*, c.diff_ids,
    (SELECT json_group_array(name ORDER BY name) FROM names WHERE image_id = i.id) AS names,
    (SELECT json_group_array(name ORDER BY name) FROM repo_digests WHERE image_id = i.id) AS repo_digests,
    (SELECT json_group_array(digest ORDER BY serial DESC) FROM image_manifests WHERE image_id = i.id) AS manifests
  FROM images i LEFT JOIN chains c USING (chain_id)`;

export function imageTable(database: Database, clock: () => number): ImageTable {
  const get = (id: ImageId): ImageRecord | undefined => {
    const row = database.get(`${SELECT_IMAGES} WHERE i.id = ?`, id);
    return row === undefined ? undefined : recordOf(row);
  };
  const require = (id: ImageId): ImageRecord => {
    const record = get(id);
    if (record === undefined) throw new PlyError("not-found", `No such image: ${id}`, { details: { id } });
    return record;
  };
  const point = (name: string, id: ImageId): ImageId | undefined => {
    const before = database.get("SELECT image_id FROM names WHERE name = ?", name);
    database.run(
      "INSERT INTO names VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET image_id = excluded.image_id",
      name,
      id,
    );
    database.run("UPDATE images SET last_tagged_at = ? WHERE id = ?", clock(), id);
    return before === undefined ? undefined : (text(before, "image_id") as ImageId);
  };
  const keepManifest = (id: ImageId, digest: Digest): void => {
    requireBlob(database, digest);
    database.run(
      `INSERT INTO image_manifests
       SELECT ?, ?, 1 + coalesce(max(serial), 0) FROM image_manifests WHERE image_id = ?
       ON CONFLICT DO UPDATE SET serial = excluded.serial`,
      id,
      digest,
      id,
    );
  };

  return {
    get,
    put: (image) =>
      database.transaction(() => putImage(database, clock(), image, { point, keepManifest, require })),
    findByName(name) {
      const row =
        database.get(`${SELECT_IMAGES} JOIN names n ON n.image_id = i.id WHERE n.name = ?`, name) ??
        database.get(
          `${SELECT_IMAGES} JOIN repo_digests r ON r.image_id = i.id WHERE r.name = ?
           ORDER BY i.arrived_at DESC, i.id LIMIT 1`,
          name,
        );
      return row === undefined ? undefined : recordOf(row);
    },
    findByPrefix(hexPrefix) {
      if (!/^[0-9a-f]{1,128}$/.test(hexPrefix)) return undefined;
      const rows = database.all(
        "SELECT id FROM images WHERE (id >= ? AND id < ?) OR (id >= ? AND id < ?) LIMIT 2",
        `sha256:${hexPrefix}`,
        `sha256:${hexPrefix}g`,
        `sha512:${hexPrefix}`,
        `sha512:${hexPrefix}g`,
      );
      if (rows.length > 1)
        throw new PlyError("conflict", `multiple IDs found with provided prefix: ${hexPrefix}`, {
          hint: "give more digits",
        });
      return rows[0] === undefined ? undefined : get(text(rows[0], "id") as ImageId);
    },
    list: () => database.all(`${SELECT_IMAGES} ORDER BY i.arrived_at DESC, i.id`).map(recordOf),
    tag: (name, id) =>
      database.transaction(() => {
        require(id);
        return point(name, id);
      }),
    untag: (name) =>
      database.transaction(
        () =>
          database.run("DELETE FROM names WHERE name = ?", name) +
            database.run("DELETE FROM repo_digests WHERE name = ?", name) >
          0,
      ),
    addRepoDigest: (name, id, manifest) =>
      database.transaction(() => {
        require(id);
        keepManifest(id, manifest);
        database.run("INSERT OR IGNORE INTO repo_digests VALUES (?, ?)", name, id);
      }),
    touch(id) {
      database.run("UPDATE images SET last_used_at = ? WHERE id = ?", clock(), id);
    },
    remove(id) {
      database.run("DELETE FROM images WHERE id = ?", id);
    },
  };
}

interface PutParts {
  readonly point: (name: string, id: ImageId) => void;
  readonly keepManifest: (id: ImageId, digest: Digest) => void;
  readonly require: (id: ImageId) => ImageRecord;
}

function putImage(database: Database, now: number, image: NewImage, parts: PutParts): ImageRecord {
  requireBlob(database, image.id);
  const chainId = image.diffIds.length === 0 ? null : putChain(database, image.diffIds);
  const parent =
    image.parentId !== undefined &&
    database.get("SELECT 1 FROM images WHERE id = ?", image.parentId) !== undefined
      ? image.parentId
      : null;
  database.run(
    `INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?)
     ON CONFLICT (id) DO UPDATE SET parent_id = coalesce(parent_id, excluded.parent_id)`,
    image.id,
    chainId,
    image.os,
    image.architecture,
    image.variant,
    image.builtAt,
    now,
    parent === image.id ? null : parent,
  );
  // The last one given is the oldest, so that the first one ends up first in "newest first".
  for (const digest of (image.manifests ?? []).toReversed()) parts.keepManifest(image.id, digest);
  for (const name of image.names ?? []) parts.point(name, image.id);
  for (const name of image.repoDigests ?? [])
    database.run("INSERT OR IGNORE INTO repo_digests VALUES (?, ?)", name, image.id);
  if (image.lease !== undefined) database.run("DELETE FROM leases WHERE owner = ?", image.lease.owner);
  return parts.require(image.id);
}

function requireBlob(database: Database, digest: Digest): void {
  if (database.get("SELECT 1 FROM blobs WHERE digest = ?", digest) === undefined)
    throw new PlyError("not-found", `blob ${digest} is not in the store`, { details: { digest } });
}

function recordOf(row: Row): ImageRecord {
  const diffIds = textOrNull(row, "diff_ids");
  return {
    id: text(row, "id") as ImageId,
    diffIds: diffIds === null ? [] : (diffIds.split(" ") as DiffId[]),
    chainId: textOrNull(row, "chain_id") as ChainId | null,
    os: text(row, "os"),
    architecture: text(row, "architecture"),
    variant: text(row, "variant"),
    builtAt: integerOrNull(row, "built_at"),
    arrivedAt: integer(row, "arrived_at"),
    lastUsedAt: integerOrNull(row, "last_used_at"),
    lastTaggedAt: integerOrNull(row, "last_tagged_at"),
    parentId: textOrNull(row, "parent_id") as ImageId | null,
    names: list(row, "names"),
    repoDigests: list(row, "repo_digests"),
    manifests: list(row, "manifests") as Digest[],
  };
}

function list(row: Row, column: string): string[] {
  const json = text(row, column);
  return json === "[]" ? [] : (JSON.parse(json) as string[]);
}
