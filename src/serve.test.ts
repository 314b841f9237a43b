import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fakeEngine } from "./api/testing/index.ts";
import type { Engine } from "./engine.ts";
import { isPlyError, PlyError } from "./error.ts";
import { serve } from "./serve.ts";

let dir = "";
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "ply-serve-"));
});
after(async () => {
  await rm(dir, { recursive: true, force: true });
});

function engineSpy(): { engine: Engine; closed: () => number } {
  let count = 0;
  const engine: Engine = {
    ...fakeEngine(),
    async [Symbol.asyncDispose]() {
      count += 1;
    },
  };
  return { engine, closed: () => count };
}

describe("serve", () => {
  test("listens, tells where, and leaves nothing behind", async () => {
    const runRoot = join(dir, "run");
    const { engine, closed } = engineSpy();
    const stopping = new AbortController();
    const listening = Promise.withResolvers<readonly string[]>();
    const lines: string[] = [];
    const served = serve({
      root: "/var/lib/nowhere",
      runRoot,
      hosts: [`unix://${runRoot}/ply.sock`, "tcp://127.0.0.1:0"],
      storageDriver: "overlay2",
      configDir: "/etc/nowhere",
      openEngine: async ({ onTrouble, ...options }) => {
        onTrouble?.("a mirror is down");
        assert.deepEqual(options, {
          root: "/var/lib/nowhere",
          runRoot,
          storageDriver: "overlay2",
          configDir: "/etc/nowhere",
        });
        return engine;
      },
      signal: stopping.signal,
      onListening: listening.resolve,
      log: (line) => lines.push(line),
    });
    const hosts = await listening.promise;
    assert.equal(hosts[0], `unix://${runRoot}/ply.sock`);
    assert.match(hosts[1] ?? "", /^tcp:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await readFile(join(runRoot, "engine.pid"), "utf8")).trim(), String(process.pid));
    assert.equal(await ping(`${runRoot}/ply.sock`), 200);
    assert.equal(closed(), 0);
    stopping.abort();
    await served;
    assert.equal(closed(), 1);
    assert.deepEqual(await readdir(runRoot), []);
    assert.match(
      lines.join("\n"),
      /^a mirror is down\nwarning: no swap limit here\nply .* serves \/var\/lib\/nowhere on unix:/,
    );
  });

  test("a door that cannot open closes the engine again", async () => {
    const { engine, closed } = engineSpy();
    const failing = (hosts: readonly string[]) =>
      serve({
        root: "/r",
        runRoot: join(dir, "other"),
        hosts,
        openEngine: async () => engine,
        signal: new AbortController().signal,
        log: () => {},
      });
    await assert.rejects(failing(["tcp://0.0.0.0:0"]), (error) => isPlyError(error, "denied"));
    assert.equal(closed(), 1);
    await assert.rejects(failing(["nonsense"]), (error) => isPlyError(error, "invalid"));
    assert.equal(closed(), 2);
  });

  test("an engine that does not open is the failure", async () => {
    await assert.rejects(
      serve({
        root: "/r",
        runRoot: join(dir, "third"),
        hosts: [],
        openEngine: async () => {
          throw new PlyError("conflict", "in use");
        },
        signal: new AbortController().signal,
        log: () => {},
      }),
      (error) => isPlyError(error, "conflict"),
    );
  });
});

function ping(socketPath: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: "/_ping", agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });
}
