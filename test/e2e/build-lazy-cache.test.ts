import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { writeContext } from "../support/context-directory.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import {
  type FaultyProxy,
  type FaultyRequest,
  type RegistryFixture,
  startFaultyProxy,
  startRegistry,
} from "../support/registry.ts";

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

/** A toolchain of which the result needs one file, brought by two steps; a mount of it; steps that change nothing. */
const dockerfileOf = (host: string): string => `FROM ${host}/toolchain:1 AS tools
WORKDIR /src
COPY --exclude=*.md src .
RUN cat a b > /tool && head -c 2000000 /dev/urandom > /waste
FROM ${host}/small:1
WORKDIR /app
WORKDIR /
COPY --from=tools /tool /app/
RUN --mount=from=tools,source=/src,target=/mnt cat /mnt/a > /app/seen
COPY conf /app/conf
CMD ["cat", "/app/tool", "/app/seen", "/app/conf"]
`;

describe("a build from a cache in a registry", { skip: unless("root") }, () => {
  let registry: RegistryFixture;
  let proxy: FaultyProxy;
  let fault: (request: FaultyRequest) => ReturnType<Parameters<typeof startFaultyProxy>[1]>;
  let maker: TestEngine;
  let work: string;

  before(async () => {
    fault = () => undefined;
    [registry, maker] = await Promise.all([startRegistry(), startEngine()]);
    proxy = await startFaultyProxy(registry.url, (request) => fault(request));
    work = mkdtempSync(join(tmpdir(), "ply-lazy-cache-"));
    await importBusybox(maker, `${proxy.host}/small:1`);
    const toolchain = contextOf({
      Dockerfile: `FROM ${proxy.host}/small:1\nRUN head -c 3000000 /dev/urandom > /compiler\n`,
    });
    await maker.must(["build", "-q", "--network", "none", "-t", `${proxy.host}/toolchain:1`, toolchain]);
    for (const name of ["small", "toolchain"]) await maker.must(["push", "-q", `${proxy.host}/${name}:1`]);
  });
  after(async () => {
    await maker[Symbol.asyncDispose]();
    await proxy.stop();
    await registry.stop();
    rmSync(work, { recursive: true, force: true });
  });

  const contextOf = (files: Readonly<Record<string, string>>): string => {
    const directory = mkdtempSync(join(work, "context-"));
    writeContext(
      directory,
      Object.entries(files).map(([name, data]) => ({ name, data })),
    );
    return directory;
  };
  const buildOn = async (engine: TestEngine, context: string, ...flags: string[]) => {
    const { code, stdout, stderr } = await engine.ply([
      ...["build", "--network", "none", "--progress", "plain", ...flags, context],
    ]);
    assert.equal(code, 0, stderr);
    const numbers = (pattern: RegExp) => [...stderr.matchAll(pattern)].map((match) => match[1]);
    const begun = new Set(numbers(/^#(\d+) \[.*\] FROM /gm));
    const made = numbers(/^#(\d+) DONE/gm).filter((number) => !begun.has(number)).length;
    return { id: stdout.trim(), stderr, made };
  };
  const manifestOf = async (name: string): Promise<Manifest> => {
    const headers = {
      accept:
        "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json",
    };
    return (await (await fetch(`${registry.url}/v2/${name}/manifests/1`, { headers })).json()) as Manifest;
  };
  const layersOf = async (name: string): Promise<string[]> =>
    (await manifestOf(name)).layers.map(({ digest }) => digest);
  /** Blobs that were read since, and what was sent. */
  const watch = (): (() => { readonly read: Set<string>; readonly sent: readonly string[] }) => {
    const from = proxy.requests.length;
    return () => {
      const seen = proxy.requests.slice(from);
      const read = seen.flatMap(({ method, path }) =>
        method === "GET" ? (/\/blobs\/(sha256:[0-9a-f]+)/.exec(path)?.[1] ?? []) : [],
      );
      return {
        read: new Set(read),
        sent: seen.flatMap(({ method, path }) => (method === "PATCH" ? path : [])),
      };
    };
  };
  const onFresh = async (driver: string, use: (fresh: TestEngine) => Promise<void>): Promise<void> => {
    await using fresh = await startEngine({ storageDriver: driver });
    await use(fresh);
    assert.equal((await fresh.must(["system", "check"])).code, 0);
  };

  for (const driver of ["erofs", "overlay2"])
    test(`fetches the layers of the result alone (${driver}); a change only what it needs`, async () => {
      const files = {
        Dockerfile: dockerfileOf(proxy.host),
        "src/a": `a ${driver}\n`,
        "src/b": "b\n",
        conf: "c\n",
      };
      const context = contextOf(files);
      const cache = `${proxy.host}/cache-${driver}:1`;
      const max = (name: string) => ["--cache-to", `type=registry,ref=${name},mode=max`];
      const first = await buildOn(maker, context, ...max(cache), "-t", `${proxy.host}/result-${driver}:1`);
      await maker.must(["push", "-q", `${proxy.host}/result-${driver}:1`]);
      const result = await layersOf(`result-${driver}`);
      const small = await layersOf("small");
      const [cacheManifest, toolchain] = [await manifestOf(`cache-${driver}`), await layersOf("toolchain")];
      const configs = new Set(
        [cacheManifest, await manifestOf("small"), await manifestOf("toolchain")].map(
          ({ config }) => config.digest,
        ),
      );
      const withoutConfigs = (read: Set<string>): string[] =>
        [...read].filter((digest) => !configs.has(digest)).sort();
      const runs = async (engine: TestEngine, id: string): Promise<string> =>
        (await engine.must(["run", "--rm", "--network", "none", id])).stdout;

      await onFresh(driver, async (fresh) => {
        const checkout = mkdtempSync(join(work, "checkout-"));
        cpSync(context, checkout, { recursive: true });
        writeFileSync(join(checkout, "src/notes.md"), "changes nothing\n");
        let seen = watch();
        const copy = `${proxy.host}/copy-${driver}:1`;
        const second = await buildOn(
          fresh,
          ...[checkout, "--cache-from", cache, ...max(cache), ...max(copy), "--explain", "-t", "result:1"],
        );
        assert.deepEqual([second.id, second.made], [first.id, 0], second.stderr);
        assert.doesNotMatch(second.stderr, /Why steps ran|WARNING/);
        assert.deepEqual(
          withoutConfigs(seen().read),
          [...result].sort(),
          "the layers of the result and nothing else",
        );
        assert.deepEqual(
          seen().sent.filter((path) => !path.includes("/copy-")),
          [],
          "what is there stays",
        );
        // Elsewhere at the same registry: the layers that never came are taken over, and what is there is whole.
        assert.deepEqual(await manifestOf(`copy-${driver}`), cacheManifest);
        assert.equal(await runs(fresh, "result:1"), `a ${driver}\nb\na ${driver}\nc\n`);
        const [listed] = JSON.parse((await fresh.request("GET", "/images/json")).text) as { Id: string }[];
        assert.equal(listed?.Id, second.id);

        // Known by its own cache from now on, as far as names go.
        seen = watch();
        assert.equal((await buildOn(fresh, checkout, "--cache-from", cache)).made, 0);
        writeFileSync(join(checkout, "conf"), "other\n");
        const other = await buildOn(fresh, checkout, "--cache-from", cache, "--explain");
        assert.equal(other.made, 2, "the copy, and CMD after it");
        assert.match(other.stderr, /COPY conf \/app\/conf\n {6}conf: content [0-9a-f]{16} → [0-9a-f]{16}\n/);
        assert.deepEqual(withoutConfigs(seen().read), [], "all that it stands on is here");
        assert.match(await runs(fresh, other.id), /other\n$/);

        // A stage that must be made needs what it stands on: of the cache the layers below, of its base all.
        seen = watch();
        writeFileSync(join(checkout, "src/b"), "B\n");
        const rebuilt = await buildOn(fresh, checkout, "--cache-from", cache, "--explain");
        assert.match(
          rebuilt.stderr,
          /COPY --exclude=\*\.md src \.\n {6}src\/b: content [0-9a-f]{16} → [0-9a-f]{16}\n/,
        );
        assert.equal(await runs(fresh, rebuilt.id), `a ${driver}\nB\na ${driver}\nother\n`);
        const { read } = seen();
        assert.ok(toolchain.every((digest) => read.has(digest) || small.includes(digest)));
        const unread = cacheManifest.layers.filter(
          ({ digest }) => !read.has(digest) && !result.includes(digest),
        );
        assert.equal(unread.length, 2, "what was copied and run before the change is not fetched");
        const plain = await buildOn(maker, checkout);
        assert.equal(await runs(maker, plain.id), await runs(fresh, rebuilt.id));
      });
    });

  test("what nobody has any more is made anew; of a cache elsewhere it is left out or brought along", async () => {
    const context = contextOf({
      Dockerfile: dockerfileOf(proxy.host),
      "src/a": "x\n",
      "src/b": "y\n",
      conf: "z\n",
    });
    const cache = `${proxy.host}/gone:1`;
    const [local, partial] = [join(work, "local"), join(work, "partial")];
    const to = ["--cache-to", `type=registry,ref=${cache},mode=max`];
    const { id } = await buildOn(maker, context, ...to, "-t", `${proxy.host}/made:1`);
    await maker.must(["push", "-q", `${proxy.host}/made:1`]);
    const result = await layersOf("made");
    const inner = (await layersOf("gone")).filter((digest) => !result.includes(digest));

    await onFresh("erofs", async (fresh) => {
      const outcome = await buildOn(
        fresh,
        ...[context, "--cache-from", cache, "--cache-to", `type=local,dest=${local},mode=max`],
      );
      assert.deepEqual([outcome.id, outcome.made], [id, 0]);
    });
    // Wholly from the directory; the bases are asked for, and of them what the result has is fetched.
    await onFresh("erofs", async (fresh) => {
      const outcome = await buildOn(fresh, context, "--cache-from", `type=local,src=${local}`);
      assert.deepEqual([outcome.id, outcome.made], [id, 0]);
    });

    fault = ({ path }) =>
      inner.some((digest) => path.includes(`/gone/blobs/${digest}`))
        ? { kind: "answer", status: 404 }
        : undefined;
    await onFresh("erofs", async (fresh) => {
      const outcome = await buildOn(
        fresh,
        ...[context, "--cache-from", cache, "--cache-to", `type=local,dest=${partial},mode=max`],
      );
      assert.deepEqual([outcome.id, outcome.made], [id, 0], "nobody asked for it");
      assert.match(outcome.stderr, /WARNING: .* lacks a layer[\s\S]*steps are not in the cache/);
      const { layers } = JSON.parse(readFileSync(join(partial, "index.json"), "utf8")) as unknown as Manifest;
      assert.equal(layers, undefined);
      // Known by name here, but nowhere to be had: found out when it is needed.
      writeFileSync(join(context, "src/b"), "Y\n");
      const changed = await buildOn(fresh, context, "--cache-from", cache);
      assert.equal(
        (await fresh.must(["run", "--rm", "--network", "none", changed.id])).stdout,
        "x\nY\nx\nz\n",
      );
    });
    const lost = result.at(-1) ?? "";
    fault = ({ path }) =>
      path.includes(`/gone/blobs/${lost}`) ? { kind: "answer", status: 404 } : undefined;
    writeFileSync(join(context, "src/b"), "y\n");
    await onFresh("overlay2", async (fresh) => {
      const outcome = await buildOn(fresh, context, "--cache-from", cache);
      assert.match(outcome.stderr, /WARNING: the cache .* lacks a layer/);
      assert.equal(outcome.made, 2, "the step whose layer it is, and CMD after it");
      assert.equal(
        (await fresh.must(["run", "--rm", "--network", "none", outcome.id])).stdout,
        "x\ny\nx\nz\n",
      );
    });
    fault = () => undefined;
  });

  test("a step that fails ends the build, whatever is still being fetched for others", async () => {
    const [compiler = ""] = (await layersOf("toolchain")).slice(-1);
    fault = ({ path }) =>
      path.includes(`/blobs/${compiler}`) ? { kind: "stall", afterBytes: 1000 } : undefined;
    const context = contextOf({
      Dockerfile: `FROM ${proxy.host}/toolchain:1 AS tools
RUN test -s /compiler
FROM ${proxy.host}/small:1
RUN exit 9
COPY --from=tools /compiler /
`,
    });
    await onFresh("erofs", async (fresh) => {
      const seen = watch();
      const { code, stderr } = await fresh.ply([
        ...["build", "--network", "none", "--cache-from", `${proxy.host}/small:1`, context],
      ]);
      assert.notEqual(code, 0);
      assert.match(stderr, /returned a non-zero code: 9/);
      assert.ok(seen().read.has(compiler), "it was being fetched");
    });
    fault = () => undefined;
  });
});
