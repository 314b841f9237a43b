import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { unless } from "../support/needs.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { mountsUnder, startEngine, type TestEngine } from "../support/ply.ts";
import { must, type Ran, until } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";
import { busyboxMembers, type Member, tarball } from "../support/tarball.ts";

const KILLS = { erofs: 275, overlay2: 100 } as const;

const blob = (name: string, bytes: number): Member => ({ name, data: randomBytes(bytes) });

interface Operation {
  readonly name: string;
  /** Brings the store to where the operation has something to do. */
  prepare(): Promise<unknown>;
  run(): Promise<Ran>;
  /** The shortest that it ever took undisturbed, milliseconds. */
  usualMs: number;
}

async function checkStore(engine: TestEngine, after: string): Promise<void> {
  const check = await engine.ply(["system", "check"]);
  assert.equal(
    check.code,
    0,
    `store check after ${after}:\n${check.stdout}${check.stderr}\nengine:\n${engine.log().slice(-3000)}`,
  );
}

for (const [storageDriver, kills] of Object.entries(KILLS))
  test(`the store is sound after kill -9 at ${kills} random moments of pull, load, commit, rmi and run, on ${storageDriver}`, {
    skip: unless("root", "docker-registry", "skopeo"),
    timeout: 580_000,
  }, async () => {
    const work = mkdtempSync(join(tmpdir(), "ply-crash-"));
    try {
      await using registry = await startRegistry({});
      await using engine = await startEngine({ storageDriver });
      const base = tarball(busyboxMembers());
      const shared = tarball([blob("opt/shared", 3_000_000)]);
      const tarOfB = tarball([blob("opt/b", 6_000_000)]);
      const layout = join(work, "layout");
      writeOciLayout(layout, [
        { tag: "a", layers: [{ tar: base }, { tar: shared }, { tar: tarball([blob("opt/a", 4_000_000)]) }] },
        { tag: "b", layers: [{ tar: base }, { tar: shared }, { tar: tarOfB, packing: "zstd" }] },
        // The same layers without zstd, which Docker's archives do not know.
        { tag: "plain", layers: [{ tar: base }, { tar: shared }, { tar: tarOfB }] },
      ]);
      for (const tag of ["a", "b"])
        await must("skopeo", [
          "copy",
          "-q",
          "--dest-tls-verify=false",
          `oci:${layout}:${tag}`,
          `docker://${registry.host}/crash:${tag}`,
        ]);
      const archive = join(work, "b.tar");
      await must("skopeo", ["copy", "-q", `oci:${layout}:plain`, `docker-archive:${archive}:loaded:1`]);
      const imageA = `${registry.host}/crash:a`;
      const imageB = `${registry.host}/crash:b`;
      await engine.must(["pull", imageA]);
      await engine.must(["tag", imageA, "kept:1"]);
      const change = "dd if=/dev/urandom of=/changed bs=1M count=5 2>/dev/null; rm /opt/shared";
      await engine.must(["run", "--name", "changed", "--network", "none", "kept:1", "sh", "-c", change]);

      const operations: Operation[] = [
        {
          name: "pull",
          prepare: () => engine.ply(["rmi", "-f", imageB, "loaded:1"]),
          run: () => engine.ply(["pull", imageB]),
          usualMs: 0,
        },
        {
          name: "load",
          prepare: () => engine.ply(["rmi", "-f", imageB, "loaded:1"]),
          run: () => engine.ply(["load", "-i", archive]),
          usualMs: 0,
        },
        {
          name: "commit",
          prepare: () => engine.ply(["rmi", "-f", "committed:1"]),
          run: () => engine.ply(["commit", "changed", "committed:1"]),
          usualMs: 0,
        },
        {
          name: "rmi",
          prepare: () => engine.ply(["load", "-i", archive]),
          run: () => engine.ply(["rmi", "-f", "loaded:1"]),
          usualMs: 0,
        },
        {
          name: "run",
          prepare: async () => undefined,
          run: () => engine.ply(["run", "--rm", "--network", "none", "kept:1", "sh", "-c", "echo x > /y"]),
          usualMs: 0,
        },
      ];
      for (const operation of operations) {
        await operation.prepare();
        const startedAt = performance.now();
        const ran = await operation.run();
        operation.usualMs = performance.now() - startedAt;
        assert.equal(ran.code, 0, `${operation.name}: ${ran.stdout}${ran.stderr}`);
      }

      const interrupted = new Map<string, number>();
      for (let kill = 0; kill < kills; kill++) {
        const operation = operations[kill % operations.length];
        if (operation === undefined) break;
        await operation.prepare();
        const startedAt = performance.now();
        const running = operation.run().then((ran) => ({ ...ran, ms: performance.now() - startedAt }));
        await new Promise((resolve) => setTimeout(resolve, Math.random() * operation.usualMs));
        await engine.kill("SIGKILL");
        const ran = await running;
        if (ran.code !== 0) interrupted.set(operation.name, (interrupted.get(operation.name) ?? 0) + 1);
        // The first time may have been a slow one: most kills would come too late.
        else operation.usualMs = Math.min(operation.usualMs, ran.ms);
        await engine.start();
        // A container runs on, and goes when it has ended.
        await until("only the one container is there", async () => {
          const { stdout } = await engine.must(["ps", "-a", "--format", "{{.Names}}"]);
          return stdout === "changed\n";
        });
        await checkStore(engine, `kill ${kill} during ${operation.name}`);
        // The tree of an image stays mounted for the next container of it; all else would be a leak.
        const leaked = mountsUnder(join(engine.root, "..")).filter(
          (target) =>
            !existsSync(target.replace(join(engine.runRoot, "mounts"), join(engine.root, "chains"))),
        );
        assert.deepEqual(leaked, [], `mounts after kill ${kill} during ${operation.name}`);
      }
      for (const { name } of operations)
        assert.ok(
          (interrupted.get(name) ?? 0) > 0,
          `no kill fell into a ${name}: ${JSON.stringify([...interrupted])}`,
        );
      // Everything still works afterwards.
      await engine.must(["pull", imageB]);
      await engine.must(["load", "-i", archive]);
      const kept = await engine.must([
        "run",
        "--rm",
        "--network",
        "none",
        "kept:1",
        "sh",
        "-c",
        "wc -c < /opt/shared",
      ]);
      assert.equal(kept.stdout.trim(), "3000000");
      // And everything can go.
      await engine.must(["rm", "changed"]);
      await engine.must(["image", "prune", "-af"]);
      await checkStore(engine, "everything was removed");
      const left = [
        "ingest",
        "layers",
        "blobs/sha256",
        "containers",
        storageDriver === "erofs" ? "chains" : storageDriver,
      ].flatMap((directory) =>
        readdirSync(join(engine.root, directory)).map((name) => `${directory}/${name}`),
      );
      assert.deepEqual(left, []);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
