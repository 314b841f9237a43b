import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { must, type RunOptions } from "../support/process.ts";
import {
  type FaultyProxy,
  type FaultyRequest,
  type RegistryFixture,
  startFaultyProxy,
  startRegistry,
} from "../support/registry.ts";

const ACCOUNT = { username: "ci", password: "s3cret" };
const FIELD = "vnd.ply.buildcache.v1";

/** A manifest, or what is in a cache's config. */
interface Document {
  readonly artifactType?: string;
  readonly config?: { readonly mediaType: string; readonly digest: string };
  readonly layers: readonly { readonly mediaType: string; readonly digest: string }[];
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly [FIELD]?: { readonly steps: readonly Record<string, unknown>[] };
}

const DOCKERFILE = `FROM bb:1 AS tools
RUN mkdir /t && date +%s.%N > /t/tool
RUN true
FROM bb:1 AS unused
RUN false
FROM bb:1
WORKDIR /app
RUN date +%s.%N > /made
ENV A=1
COPY src .
RUN cat f > g
COPY --from=tools /t /t
`;

describe("build caches elsewhere", { skip: unless("root", "skopeo", "docker") }, () => {
  /** Where caches are made, and a machine that has only the base image. */
  let [maker, fresh]: TestEngine[] = [];
  let registry: RegistryFixture;
  let proxy: FaultyProxy;
  let fault: (request: FaultyRequest) => ReturnType<Parameters<typeof startFaultyProxy>[1]> = () => undefined;
  let work: string;
  let names = 0;
  const on = (engine: TestEngine | undefined): TestEngine => engine ?? assert.fail("no engine");

  before(async () => {
    [maker, fresh] = await Promise.all([startEngine(), startEngine()]);
    work = mkdtempSync(join(tmpdir(), "ply-build-cache-"));
    registry = await startRegistry({ htpasswd: ACCOUNT });
    proxy = await startFaultyProxy(registry.url, (request) => fault(request));
    await importBusybox(on(maker));
    const base = join(work, "base.tar");
    await on(maker).must(["save", "-o", base, "bb:1"]);
    await on(fresh).must(["load", "-i", base]);
    for (const engine of [on(maker), on(fresh)])
      await engine.must(["login", "-u", ACCOUNT.username, "--password-stdin", proxy.host], {
        stdin: Buffer.from(ACCOUNT.password),
      });
  });
  after(async () => {
    for (const engine of [maker, fresh]) await engine?.[Symbol.asyncDispose]();
    await proxy.stop();
    await registry.stop();
    rmSync(work, { recursive: true, force: true });
  });

  const newName = (): string => `${proxy.host}/cache${names++}`;
  /** Each one's steps are its own: what one test made says nothing about another's. */
  const contextOf = (dockerfile = DOCKERFILE): string => {
    const directory = mkdtempSync(join(work, "context-"));
    const id = names++;
    writeFileSync(
      join(directory, "Dockerfile"),
      dockerfile.replaceAll("RUN ", `RUN TEST=${id}; `).replace("src .", `--chown=${id} src .`),
    );
    mkdirSync(join(directory, "src"));
    writeFileSync(join(directory, "src/f"), "content\n");
    return directory;
  };
  /** A copy as another checkout has it: other times, another place. */
  const checkedOut = (context: string): string => {
    const directory = mkdtempSync(join(work, "checkout-"));
    cpSync(context, directory, { recursive: true });
    return directory;
  };
  interface Outcome {
    readonly id: string;
    readonly stderr: string;
    readonly code: number | null;
  }
  const build = async (
    engine: TestEngine | undefined,
    context: string,
    flags: readonly string[],
    options?: RunOptions,
  ): Promise<Outcome> => {
    const args = ["build", "--network", "none", "--progress", "plain", ...flags, context];
    const ran = await on(engine).ply(args, options);
    return { id: ran.stdout.trim(), stderr: ran.stderr, code: ran.code };
  };
  const built = async (...args: Parameters<typeof build>): Promise<Outcome> => {
    const outcome = await build(...args);
    assert.equal(outcome.code, 0, outcome.stderr);
    return outcome;
  };
  /** How many steps were made, but for `FROM`s, which are never cached. */
  const madeIn = ({ stderr }: Outcome): number => {
    const numbers = (pattern: RegExp) => [...stderr.matchAll(pattern)].map((match) => match[1]);
    const begun = new Set(numbers(/^#(\d+) \[.*\] FROM /gm));
    return numbers(/^#(\d+) DONE/gm).filter((number) => !begun.has(number)).length;
  };
  const forget = async (engine: TestEngine | undefined): Promise<void> => {
    for (const { Id } of JSON.parse((await on(engine).request("GET", "/images/json")).text) as {
      Id: string;
    }[])
      if (Id !== baseId) await on(engine).ply(["rmi", "-f", Id]);
    await on(engine).must(["builder", "prune", "-a", "-f"]);
  };
  let baseId: string;
  before(async () => {
    baseId = (await on(maker).must(["image", "inspect", "-f", "{{.Id}}", "bb:1"])).stdout.trim();
  });
  const inRegistry = async (name: string, path: string): Promise<Document> => {
    const authorization = `Basic ${Buffer.from(`${ACCOUNT.username}:${ACCOUNT.password}`).toString("base64")}`;
    const answer = await fetch(`${registry.url}/v2/${name.slice(name.indexOf("/") + 1)}/${path}`, {
      headers: { authorization, accept: "application/vnd.oci.image.manifest.v1+json" },
    });
    return (await answer.json()) as Document;
  };
  const blobs = (layout: string, digest: string): Document =>
    JSON.parse(readFileSync(join(layout, "blobs", digest.replace(":", "/")), "utf8")) as Document;

  test("keys are of content alone: two engines make the same cache of the same inputs", async () => {
    const context = contextOf(DOCKERFILE.replaceAll("date +%s.%N", "echo x"));
    const flags = ["--timestamp", "1700000000", "--no-cache"];
    const [one, two] = [join(work, "one"), join(work, "two")];
    await built(maker, context, [...flags, "--cache-to", `type=local,dest=${one},mode=max`]);
    await built(fresh, checkedOut(context), [...flags, "--cache-to", `type=local,dest=${two},mode=max`]);
    assert.equal(
      readFileSync(join(one, "index.json"), "utf8"),
      readFileSync(join(two, "index.json"), "utf8"),
    );
    assert.deepEqual(readdirSync(join(one, "blobs/sha256")), readdirSync(join(two, "blobs/sha256")));
    await forget(fresh);
  });

  test("a registry's cache, copied by skopeo, makes the very image on a fresh machine; again it sends nothing", async () => {
    const context = contextOf();
    const name = newName();
    const first = await built(maker, context, [
      "--cache-to",
      `type=registry,ref=${name}:main,mode=max,image-manifest=true`,
    ]);
    const manifest = await inRegistry(name, "manifests/main");
    assert.equal(manifest.artifactType, "application/vnd.ply.buildcache.v1");
    assert.equal(manifest.config?.mediaType, "application/vnd.ply.buildcache.config.v1+json");
    const before = proxy.requests.length;
    await built(maker, context, ["--cache-to", `type=registry,ref=${name}:main,mode=max`]);
    const sent = proxy.requests.slice(before).map(({ method }) => method);
    assert.deepEqual(
      sent.filter((method) => method !== "HEAD" && method !== "GET"),
      [],
      "nothing changed, so nothing is sent",
    );

    const copy = newName();
    const creds = `${ACCOUNT.username}:${ACCOUNT.password}`;
    await must("skopeo", [
      ...["copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--src-creds", creds],
      ...["--dest-creds", creds, `docker://${name}:main`, `docker://${copy}:copied`],
    ]);
    // Layers of its own for the same steps, which others' layers do not stand on: those that do come along.
    const own = await built(fresh, checkedOut(context), []);
    assert.notEqual(own.id, first.id);
    const second = await built(fresh, checkedOut(context), ["--cache-from", `${copy}:copied`]);
    assert.equal(second.id, first.id);
    assert.equal(madeIn(second), 0, second.stderr);
    // What came is in the store's own cache from now on.
    assert.equal(madeIn(await built(fresh, context, [])), 0);
    await forget(fresh);
    assert.deepEqual((await on(fresh).must(["system", "check"])).code, 0);

    const changed = checkedOut(context);
    writeFileSync(join(changed, "src/f"), "changed\n");
    const third = await built(fresh, changed, ["--cache-from", `${copy}:copied`]);
    assert.notEqual(third.id, first.id);
    assert.equal(madeIn(third), 2, "COPY of what changed and the RUN after it");
    await forget(fresh);
  });

  test("mode=min has the steps of the image alone; several caches are asked in turn", async () => {
    const context = contextOf();
    const [min, other] = [newName(), newName()];
    await built(maker, context, ["--cache-to", min]);
    await built(maker, context, ["--target", "tools", "--cache-to", `type=registry,ref=${other}`]);
    const stepsOf = async (name: string): Promise<number> => {
      const { config } = await inRegistry(name, "manifests/latest");
      return (await inRegistry(name, `blobs/${config?.digest}`))[FIELD]?.steps.length ?? 0;
    };
    assert.deepEqual([await stepsOf(min), await stepsOf(other)], [6, 2]);
    const alone = await built(fresh, context, ["--cache-from", min]);
    assert.ok(madeIn(alone) >= 2, "the other stage ran");
    await forget(fresh);
    const both = ["--cache-from", min, "--cache-from", `type=registry,ref=${other}`];
    assert.equal(madeIn(await built(fresh, context, both)), 0);
    await forget(fresh);
  });

  test("an image carries its own cache: inline, BUILDKIT_INLINE_CACHE, and all of the classic builder's", async () => {
    const context = contextOf(DOCKERFILE.replace("COPY --from=tools /t /t\n", ""));
    const image = newName();
    for (const flags of [
      ["--cache-to", "type=inline"],
      ["--build-arg", "BUILDKIT_INLINE_CACHE=1"],
    ]) {
      const { id } = await built(maker, context, [...flags, "-t", `${image}:1`]);
      await on(maker).must(["push", "-q", `${image}:1`]);
      const again = await built(fresh, checkedOut(context), [...flags, "--cache-from", `${image}:1`]);
      assert.deepEqual([again.id, madeIn(again)], [id, 0], again.stderr);
      await forget(fresh);
    }
    const classic = (engine: TestEngine | undefined, ...args: string[]) =>
      on(engine).docker(["build", "--network", "none", ...args], { env: { DOCKER_BUILDKIT: "0" } });
    const made = await classic(maker, "-q", "-t", `${image}:2`, context);
    assert.equal(made.code, 0, made.stderr);
    await on(maker).must(["push", "-q", `${image}:2`]);
    // Not here: asked for at its registry. Then pulled: not asked for any more.
    for (const isPulled of [false, true]) {
      if (isPulled) await on(fresh).must(["pull", "-q", `${image}:2`]);
      fault = () => (isPulled ? { kind: "answer", status: 403 } : undefined);
      const again = await classic(
        fresh,
        "--cache-from",
        `${image}:2`,
        "--cache-from",
        `${image}:never`,
        context,
      );
      fault = () => undefined;
      assert.equal(again.code, 0, again.stderr);
      assert.equal(again.stdout.match(/Using cache/g)?.length, 5, again.stdout);
      assert.match(again.stdout, new RegExp(`Successfully built ${made.stdout.trim().slice(7, 19)}`));
      await forget(fresh);
    }
    const own = await built(fresh, checkedOut(context), ["--cache-from", `${image}:2`]);
    assert.equal(madeIn(own), 0, "keys do not depend on who asks for the build");
    await forget(fresh);
  });

  test("a directory: zstd where asked for, no growth, what is broken in it is a warning", async () => {
    const context = contextOf();
    const directory = join(work, "local");
    const to = [
      "--cache-to",
      `type=local,dest=${directory},mode=max,compression=zstd,force-compression=true`,
    ];
    const first = await built(maker, context, to);
    const index = () =>
      (JSON.parse(readFileSync(join(directory, "index.json"), "utf8")) as { manifests: { digest: string }[] })
        .manifests;
    const manifest = blobs(directory, index()[0]?.digest ?? "");
    assert.ok(manifest.layers.every(({ mediaType }) => mediaType.endsWith("+zstd")));
    const count = () => readdirSync(join(directory, "blobs/sha256")).length;
    const before = count();
    writeFileSync(join(context, "src/f"), "other\n");
    await built(maker, context, to);
    assert.deepEqual([index().length, count()], [1, before], "what is not needed any more went");
    writeFileSync(join(context, "src/f"), "content\n");
    await built(maker, context, to);

    const from = ["--cache-from", `type=local,src=${directory}`];
    const second = await built(fresh, checkedOut(context), from);
    assert.deepEqual([second.id, madeIn(second)], [first.id, 0], second.stderr);
    await forget(fresh);

    // One of the result: what only other stages have is not asked for.
    const layer = blobs(directory, index()[0]?.digest ?? "").layers.at(-1);
    const path = join(directory, "blobs", layer?.digest.replace(":", "/") ?? "");
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, bytes.length - 1));
    const broken = await built(fresh, context, from);
    assert.match(broken.stderr, /WARNING: the cache .*local lacks a layer/);
    assert.ok(madeIn(broken) > 0);
    await forget(fresh);
    for (const [garbage, why] of [
      ["[]", /cannot be used: manifest must be an object/],
      ['{"schemaVersion":2,"manifests":[]}', /has no manifest latest/],
    ] as const) {
      writeFileSync(join(directory, "index.json"), garbage);
      assert.match((await built(maker, context, from)).stderr, why);
    }
    const absent = await built(maker, context, ["--cache-from", `type=local,src=${join(work, "absent")}`]);
    assert.match(absent.stderr, /WARNING: the cache .*absent cannot be used: there is no such directory/);
  });

  test("what cannot be used is a warning: no such name, no access, no cache, no registry, a lie", async () => {
    const context = contextOf("FROM bb:1\nRUN echo x > /x\n");
    const image = newName();
    const { id } = await built(maker, context, ["-t", `${image}:plain`]);
    await on(maker).must(["push", "-q", `${image}:plain`]);
    const warned = async (from: string, why: RegExp, options?: RunOptions) => {
      const outcome = await built(maker, context, ["--cache-from", from], options);
      assert.match(outcome.stderr, why);
      assert.equal(outcome.id, id);
    };
    await warned(`${image}:none`, /WARNING: the cache .*:none cannot be used: manifest for .* not found/);
    await warned(`${image}:plain`, /cannot be used: it is an image without a cache of its own/);
    const nobody = { env: { DOCKER_CONFIG: join(work, "nobody") } };
    await warned(`${image}:plain`, /cannot be used: pull access denied/, nobody);
    fault = ({ path }) => (path.includes("/blobs/") ? { kind: "answer", status: 404 } : undefined);
    await warned(`${image}:plain`, /cannot be used: /);
    fault = () => undefined;

    // A record that names another layer than its blob is: the blob is what was asked for or it is not taken.
    const layout = join(work, "lie");
    await built(maker, context, ["--cache-to", `type=local,dest=${layout}`]);
    const lie = join(work, "lie-to");
    await must("skopeo", ["copy", `oci:${layout}:latest`, `dir:${lie}`]);
    const manifest = JSON.parse(readFileSync(join(lie, "manifest.json"), "utf8")) as Document;
    const [configHex = "", layerHex = ""] = [manifest.config?.digest, manifest.layers[0]?.digest].map(
      (digest) => digest?.slice("sha256:".length),
    );
    const config = readFileSync(join(lie, configHex), "utf8");
    const diffId = (JSON.parse(config) as Document).rootfs.diff_ids[0] ?? "";
    const lied = config.replace(diffId, `sha256:${"0".repeat(64)}`);
    const digest = new Bun.CryptoHasher("sha256").update(lied).digest("hex");
    writeFileSync(join(lie, digest), lied);
    writeFileSync(
      join(lie, "manifest.json"),
      readFileSync(join(lie, "manifest.json"), "utf8").replace(configHex, digest),
    );
    assert.notEqual(layerHex, "");
    const poisoned = newName();
    const creds = `${ACCOUNT.username}:${ACCOUNT.password}`;
    await must("skopeo", [
      ...["copy", "--dest-tls-verify=false", "--dest-creds", creds, `dir:${lie}`, `docker://${poisoned}:x`],
    ]);
    const outcome = await built(fresh, context, ["--cache-from", `${poisoned}:x`]);
    assert.match(outcome.stderr, /WARNING: the cache .* lacks a layer: .*DiffID/);
    assert.equal(madeIn(outcome), 1);
    await forget(fresh);
  });

  test("private images by names that are put together; offline what is here will do, but not for --pull", async () => {
    const image = newName();
    await on(maker).must(["tag", "bb:1", `${image}:1`]);
    await on(maker).must(["push", "-q", `${image}:1`]);
    const [host = "", repository = ""] = image.split("/");
    const digest = (await on(maker).must(["image", "inspect", "-f", "{{json .RepoDigests}}", `${image}:1`]))
      .stdout;
    const pinned = digest.match(new RegExp(`${image}@sha256:[0-9a-f]+`))?.[0] ?? assert.fail(digest);
    const context = contextOf(
      `ARG REG\nFROM \${REG}/${repository}:1\nCOPY --from=${image}:1 /bin/busybox /b\nFROM ${pinned}\nCOPY --from=0 /b /b\n`,
    );
    const flags = ["--build-arg", `REG=${host}`];
    await on(fresh).must(["rmi", "-f", "bb:1"]);
    const { id } = await built(fresh, context, flags);
    const before = proxy.requests.length;
    assert.equal((await built(fresh, context, flags)).id, id);
    assert.equal(proxy.requests.length, before, "what is here is not asked for");
    fault = () => ({ kind: "answer", status: 403 });
    const pulled = await build(fresh, context, [...flags, "--pull"]);
    assert.equal(pulled.code, 1);
    assert.match(pulled.stderr, /Dockerfile:2\n.*ARG REG.*pull access denied/s);
    fault = () => undefined;
    await forget(fresh);
    const docker = ["build", "-q", "--build-arg", `REG=${host}`, context];
    const classic = await on(fresh).docker(docker, { env: { DOCKER_BUILDKIT: "0" } });
    assert.equal(classic.code, 0, classic.stderr);
    await on(fresh).must(["load", "-i", join(work, "base.tar")]);
  });

  test("an export that fails fails the build but not its image; or nothing, where it is to be ignored", async () => {
    const context = contextOf("FROM bb:1\nRUN echo y > /y\n");
    const [name, tag] = [newName(), "kept:1"];
    fault = ({ method }) => (method === "PUT" ? { kind: "answer", status: 403 } : undefined);
    const failed = await build(maker, context, ["-t", tag, "--cache-to", name]);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /the build cache could not be exported to .*: push access denied/);
    await on(maker).must(["image", "inspect", tag]);
    const ignored = await built(maker, context, [
      "--cache-to",
      `type=registry,ref=${name},ignore-error=true`,
    ]);
    assert.match(ignored.stderr, /WARNING: the build cache could not be exported/);
    fault = () => undefined;
    for (const type of ["gha", "s3,bucket=x", "azblob"]) {
      const refused = await build(maker, context, ["--cache-to", `type=${type}`]);
      assert.equal(refused.code, 125, refused.stderr);
      assert.match(refused.stderr, /ply has no cache of type .*: use inline, registry or local/);
    }
  });

  test("an engine killed while it exports leaves the image, and no harm", async () => {
    const context = contextOf("FROM bb:1\nRUN head -c 3000000 /dev/urandom > /big\n");
    const name = newName();
    const stalled = new Promise<void>((resolve) => {
      fault = ({ method }) => {
        if (method !== "PATCH" && method !== "PUT") return undefined;
        resolve();
        return { kind: "stall", afterBytes: 0 };
      };
    });
    const building = build(fresh, context, ["-t", "big:1", "--cache-to", `type=registry,ref=${name}`]);
    await stalled;
    await on(fresh).restart("SIGKILL");
    assert.notEqual((await building).code, 0);
    fault = () => undefined;
    await on(fresh).must(["system", "check"]);
    const again = await built(fresh, context, ["-t", "big:1", "--cache-to", `type=registry,ref=${name}`]);
    assert.equal(madeIn(again), 0);
    await forget(fresh);
    assert.equal(madeIn(await built(fresh, context, ["--cache-from", name])), 0);
  });
});
