/**
 * The store's tables. Each entry brings a database from the version before it (its position) to the next;
 * entries are never edited once released. Times are milliseconds since 1970, sizes bytes.
 *
 * - `chains` names a stack of layers; `diff_ids` is the same list as `chain_layers`, ready to read.
 *   A layer in a chain cannot go (foreign key), a chain with an image cannot go.
 * - `lease_refs` has no foreign keys: a lease may outlive the image it names.
 * - `journal` lists paths, relative to the root, that may be on disk without a row knowing them.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE journal (path TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

  CREATE TABLE blobs (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE layers (
    diff_id TEXT PRIMARY KEY, tar_size INTEGER NOT NULL, content_size INTEGER NOT NULL,
    entry_count INTEGER NOT NULL, index_digest TEXT NOT NULL, created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE forms (
    digest TEXT PRIMARY KEY, diff_id TEXT NOT NULL REFERENCES layers ON DELETE CASCADE,
    media_type TEXT NOT NULL, size INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX forms_by_layer ON forms (diff_id);

  CREATE TABLE form_repositories (
    digest TEXT NOT NULL REFERENCES forms ON DELETE CASCADE, repository TEXT NOT NULL,
    PRIMARY KEY (digest, repository)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE chains (chain_id TEXT PRIMARY KEY, diff_ids TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE chain_layers (
    chain_id TEXT NOT NULL REFERENCES chains ON DELETE CASCADE, position INTEGER NOT NULL,
    diff_id TEXT NOT NULL REFERENCES layers, PRIMARY KEY (chain_id, position)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chain_layers_by_layer ON chain_layers (diff_id);

  CREATE TABLE images (
    id TEXT PRIMARY KEY REFERENCES blobs, chain_id TEXT REFERENCES chains,
    os TEXT NOT NULL, architecture TEXT NOT NULL, variant TEXT NOT NULL,
    built_at INTEGER, arrived_at INTEGER NOT NULL, last_used_at INTEGER, last_tagged_at INTEGER,
    parent_id TEXT REFERENCES images ON DELETE SET NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX images_by_chain ON images (chain_id);
  CREATE INDEX images_by_parent ON images (parent_id);

  CREATE TABLE image_manifests (
    image_id TEXT NOT NULL REFERENCES images ON DELETE CASCADE, digest TEXT NOT NULL REFERENCES blobs,
    serial INTEGER NOT NULL, PRIMARY KEY (image_id, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX image_manifests_by_blob ON image_manifests (digest);

  CREATE TABLE names (
    name TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES images ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX names_by_image ON names (image_id);

  CREATE TABLE repo_digests (
    name TEXT NOT NULL, image_id TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    PRIMARY KEY (name, image_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX repo_digests_by_image ON repo_digests (image_id);

  CREATE TABLE leases (owner TEXT PRIMARY KEY, until INTEGER, span INTEGER) STRICT, WITHOUT ROWID;
  CREATE TABLE lease_refs (
    owner TEXT NOT NULL REFERENCES leases ON DELETE CASCADE, kind TEXT NOT NULL, ref TEXT NOT NULL,
    PRIMARY KEY (owner, kind, ref)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX lease_refs_by_ref ON lease_refs (kind, ref);

  CREATE TABLE records (
    collection TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (collection, key)
  ) STRICT, WITHOUT ROWID;
  `,
];
