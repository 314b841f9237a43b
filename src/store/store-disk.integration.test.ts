import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { MNT, MS, mount, umount } from "../linux/index.ts";
import { openStore } from "./open.ts";
import { plainIngest, sourceOf } from "./testing/ingest.ts";

const skip =
  process.versions["bun"] === undefined
    ? "mounting needs Bun"
    : process.getuid?.() !== 0
      ? "mounting needs root"
      : false;

describe("a store on a bad disk", { skip }, () => {
  let base = "";
  before(async () => {
    base = await mkdtemp(join(tmpdir(), "ply-disk-"));
  });
  after(() => rm(base, { recursive: true, force: true }));

  const withDisk = async (
    name: string,
    flags: number,
    options: string,
    use: (root: string) => Promise<void>,
  ) => {
    const root = join(base, name);
    await mkdir(root);
    mount("tmpfs", root, "tmpfs", flags, options);
    try {
      await use(root);
    } finally {
      umount(root, MNT.DETACH);
    }
  };

  test("a full disk is said to be full, and nothing is left of what did not fit", () =>
    withDisk("full", 0, "size=2m", async (root) => {
      await using store = await openStore({ root, ingest: plainIngest });
      const lease = store.leases.hold("pull:x");
      const isFull = (error: unknown) =>
        isPlyError(error, "unavailable") && /no space left on device while/.test(error.message);
      const large = Buffer.alloc(4 * 1024 * 1024, "x");
      const source = { ...sourceOf("x"), resumable: false };
      await assert.rejects(
        store.layers.ingest(
          {
            resumable: false,
            open: async () =>
              (async function* () {
                yield large;
              })(),
          },
          lease,
        ),
        isFull,
      );
      await assert.rejects(store.blobs.put(large, lease), isFull);
      assert.deepEqual(await readdir(join(root, "ingest")), []);
      assert.deepEqual(await readdir(join(root, "blobs/sha256")), []);
      await store.layers.ingest(source, lease);
      assert.equal(store.layers.list().length, 1);
    }));

  test("a read-only disk is denied, with what to do", () =>
    withDisk("read-only", MS.RDONLY, "", async (root) => {
      await assert.rejects(
        openStore({ root, ingest: plainIngest }),
        (error) => isPlyError(error, "denied") && error.hint !== undefined && error.message.includes(root),
      );
    }));
});
