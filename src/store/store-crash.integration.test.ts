import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isPlyError } from "../error.ts";
import { openStore } from "./open.ts";
import { plainIngest, plainTar } from "./testing/ingest.ts";

const KILLS = 40;
const CHILD = fileURLToPath(new URL("./testing/crash-child.ts", import.meta.url));

/** Starts a process that works on the store; resolves once it owns it. */
async function startWorking(root: string, seed: number) {
  const child = spawn(process.execPath, [CHILD, root, String(seed)], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [first] = await Promise.race([
    once(child.stdout, "data"),
    once(child, "exit").then(() => assert.fail(`the child ended: ${said}`)),
  ]);
  assert.equal(String(first), "ready\n");
  return child;
}

test(`killed ${KILLS} times at any moment, the store is sound at each start`, {
  timeout: 300_000,
}, async () => {
  const root = await mkdtemp(join(tmpdir(), "ply-crash-"));
  try {
    for (let round = 0; round < KILLS; round++) {
      const child = await startWorking(root, round);
      if (round === 0)
        await assert.rejects(
          openStore({ root, ingest: plainIngest }),
          (error) => isPlyError(error, "conflict") && error.message.includes(`(process ${child.pid})`),
        );
      // Random moments are the point here: nothing is waited for.
      await sleep(Math.random() * 60);
      assert.equal(child.exitCode, null, "the child works until it is killed");
      child.kill("SIGKILL");
      await once(child, "exit");

      await using store = await openStore({ root, ingest: plainIngest });
      // As an engine does when its storage driver is there.
      await store.collectGarbage();
      const report = await store.check({ repair: false, openTar: plainTar, foreignOrphans: async () => [] });
      assert.deepEqual(report.problems, [], `after round ${round}`);
      assert.ok((await readdir(join(root, "ingest"))).every((name) => name.endsWith(".part")));
    }
    await using store = await openStore({ root, ingest: plainIngest });
    for (const image of store.images.list()) store.images.remove(image.id);
    for (const worker of [1, 2, 3]) store.leases.end(`pull:${worker}`);
    await store.collectGarbage();
    assert.deepEqual(await readdir(join(root, "layers")), []);
    assert.deepEqual(await readdir(join(root, "blobs/sha256")), []);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
