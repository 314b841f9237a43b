import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import { digestOf, hexOf } from "../oci/index.ts";
import { directoryHome } from "./directory-home.ts";
import { oneChunk } from "./testing/plain-ingest.ts";

const BLOBS = Array.from({ length: 8 }, (_, at) => Buffer.from(`blob ${at}`));

const pushAll = (directory: string) => {
  const home = directoryHome({ directory, tag: "1" });
  return Promise.all(
    BLOBS.map((bytes) =>
      home.pushBlob({ digest: digestOf(bytes), size: bytes.length }, () => oneChunk(bytes), {}),
    ),
  );
};

test("blobs that come side by side make their place together, and go through no link to it", async () => {
  const scratch = await mkdtemp(join(tmpdir(), "ply-home-"));
  try {
    for (let round = 0; round < 10; round++) {
      const directory = await mkdtemp(join(scratch, "home-"));
      await pushAll(directory);
      assert.deepEqual(
        (await readdir(join(directory, "blobs/sha256"))).sort(),
        BLOBS.map((bytes) => hexOf(digestOf(bytes))).sort(),
      );
    }
    const linked = await mkdtemp(join(scratch, "linked-"));
    await symlink(scratch, join(linked, "blobs"));
    await assert.rejects(pushAll(linked), (error) => isPlyError(error, "invalid"));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
});
