import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, PlyError } from "../error.ts";
import type { Digest } from "../oci/index.ts";
import { algorithmOf, digestOf } from "../oci/index.ts";
import type { Database } from "./database.ts";
import { storageFailure } from "./failure.ts";
import { blobPath, temporaryPath } from "./layout.ts";
import type { LeaseTable } from "./lease.ts";
import type { Shelf } from "./shelf.ts";
import type { Blobs } from "./store.ts";

export interface BlobParts {
  readonly root: string;
  readonly database: Database;
  readonly shelf: Shelf;
  readonly leases: LeaseTable;
  readonly clock: () => number;
}

export function blobTable({ root, database, shelf, leases, clock }: BlobParts): Blobs {
  const has = (digest: Digest): boolean =>
    database.get("SELECT 1 FROM blobs WHERE digest = ?", digest) !== undefined;

  return {
    has,
    async put(bytes, lease) {
      const digest = digestOf(bytes);
      if (has(digest)) {
        leases.refer(lease.owner, "blob", digest);
        return digest;
      }
      const temporary = temporaryPath(root, "blob");
      try {
        {
          await using file = await open(temporary, "wx", 0o600);
          await file.writeFile(bytes);
          await file.datasync();
        }
        await shelf.publish(temporary, blobPath(digest), () => {
          database.run("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?)", digest, bytes.byteLength, clock());
          leases.refer(lease.owner, "blob", digest);
        });
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined);
        throw storageFailure(error, `storing blob ${digest}`);
      }
      return digest;
    },
    async get(digest) {
      const path = join(root, blobPath(digest));
      if (!has(digest)) throw new PlyError("not-found", `blob ${digest} is not in the store`);
      let bytes: Uint8Array;
      try {
        bytes = await readFile(path);
      } catch (error) {
        if (codeOf(error) !== "ENOENT") throw storageFailure(error, `reading ${path}`);
        throw new PlyError("not-found", `${path} is gone from the disk`, {
          hint: "`ply system check --repair`, then pull the image again",
          cause: error,
        });
      }
      if (digestOf(bytes, algorithmOf(digest)) !== digest)
        throw new PlyError("corrupt", `${path} does not have the digest it is stored under`, {
          hint: "`ply system check --repair`, then pull the image again",
          details: { digest },
        });
      return bytes;
    },
  };
}
