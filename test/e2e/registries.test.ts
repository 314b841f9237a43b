import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { debianRoot } from "../support/debian.ts";
import { unless } from "../support/needs.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { PLY_BINARY, startEngine } from "../support/ply.ts";
import { must, run, until } from "../support/process.ts";
import { startFaultyProxy, startRegistry } from "../support/registry.ts";

const skip = unless("root", "docker-registry", "skopeo");
const ACCOUNT = { username: "ann", password: "s3cret with spaces" };

describe("registries as they are met", { skip }, () => {
  let config: string;
  before(() => {
    config = mkdtempSync(join(tmpdir(), "ply-config-"));
  });
  after(() => rmSync(config, { recursive: true, force: true }));

  test("TLS with a CA of one's own: refused without it, fine with it", async () => {
    await using registry = await startRegistry({ tls: true });
    {
      await using engine = await startEngine();
      await importBusybox(engine, `${registry.host}/bb:1`);
      const refused = await engine.ply(["push", `${registry.host}/bb:1`]);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /certificate/);
    }
    cpSync(registry.certsDir ?? "", join(config, "certs.d"), { recursive: true });
    await using engine = await startEngine({ args: ["--config", config] });
    await importBusybox(engine, `${registry.host}/bb:1`);
    await engine.must(["push", `${registry.host}/bb:1`]);
    await engine.must(["rmi", `${registry.host}/bb:1`]);
    await engine.must(["pull", `${registry.host}/bb:1`]);
  });

  for (const kind of ["htpasswd", "token"] as const)
    test(`${kind}: login, push, pull, logout`, async () => {
      await using registry = await startRegistry({ [kind]: ACCOUNT });
      await using engine = await startEngine();
      const image = `${registry.host}/team/bb:1`;
      await importBusybox(engine, image);
      const anonymous = await engine.ply(["push", image]);
      assert.equal(anonymous.code, 1);
      assert.match(anonymous.stderr, /denied|unauthorized|authenticat/i);

      const wrong = await engine.ply(["login", "-u", "ann", "--password-stdin", registry.host], {
        stdin: "wrong",
      });
      assert.equal(wrong.code, 1);
      assert.match(wrong.stderr, /unauthorized|denied|incorrect/i);
      assert.match(wrong.stderr, /Hint: check the user name/);
      const login = await engine.ply(["login", "-u", "ann", "--password-stdin", registry.host], {
        stdin: ACCOUNT.password,
      });
      assert.equal(login.code, 0, login.stderr);
      assert.match(login.stdout, /Login Succeeded/);
      const file = join(engine.root, "../docker/config.json");
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.ok(JSON.parse(readFileSync(file, "utf8")).auths[registry.host]);

      await engine.must(["push", image]);
      await engine.must(["rmi", image]);
      await engine.must(["pull", image]);
      if (kind === "htpasswd") {
        const found = await engine.must(["search", "--format", "{{.Name}}", `${registry.host}/te`]);
        assert.equal(found.stdout, `${image.slice(0, -2)}\n`);
      }
      // The docker client logs in through us, and sees the same.
      const docker = await engine.docker(["pull", image]);
      assert.match(docker.stdout, /Image is up to date/, docker.stderr);

      await engine.must(["logout", registry.host]);
      await engine.must(["rmi", image]);
      const after = await engine.ply(["pull", image]);
      assert.equal(after.code, 1);
      assert.match(after.stderr, /denied|unauthorized|authenticat/i);
      assert.doesNotMatch(engine.log() + after.stderr, /s3cret/);
    });

  test("docker login goes through the engine", async () => {
    await using registry = await startRegistry({ htpasswd: ACCOUNT });
    await using engine = await startEngine();
    const login = await engine.docker(["login", "-u", "ann", "--password-stdin", registry.host], {
      stdin: ACCOUNT.password,
    });
    assert.match(login.stdout, /Login Succeeded/, login.stderr);
    const wrong = await engine.docker(["login", "-u", "ann", "--password-stdin", registry.host], {
      stdin: "no",
    });
    assert.notEqual(wrong.code, 0);
  });

  test("a mirror is asked first, and the registry itself when the mirror fails; a blocked one never", async () => {
    await using registry = await startRegistry();
    await using maker = await startEngine();
    await importBusybox(maker, `${registry.host}/bb:1`);
    await maker.must(["push", `${registry.host}/bb:1`]);
    let broken = false;
    await using mirror = await startFaultyProxy(registry.url, () =>
      broken ? { kind: "answer", status: 503 } : undefined,
    );
    writeFileSync(
      join(config, "registries.json"),
      JSON.stringify({
        registries: [
          { prefix: registry.host, mirrors: [mirror.url] },
          { prefix: "hub.example", location: `${registry.host}` },
          { prefix: "evil.example", blocked: true },
        ],
      }),
    );
    await using engine = await startEngine({ args: ["--config", config] });
    await engine.must(["pull", `${registry.host}/bb:1`]);
    assert.ok(
      mirror.requests.some(({ path }) => path.includes("/blobs/")),
      "the mirror gave the blobs",
    );
    await engine.must(["rmi", `${registry.host}/bb:1`]);
    broken = true;
    await engine.must(["pull", `${registry.host}/bb:1`]);
    await engine.must(["pull", "hub.example/bb:1"]);
    const blocked = await engine.ply(["pull", "evil.example/bb:1"]);
    assert.equal(blocked.code, 1);
    assert.match(blocked.stderr, /blocked/);
  });

  test("a pull that was cut goes on where it stopped, after Ctrl-C and after the engine was killed", async () => {
    await using registry = await startRegistry();
    const { gzip, tar } = await debianRoot();
    const layout = mkdtempSync(join(tmpdir(), "ply-layout-"));
    try {
      writeOciLayout(layout, [{ tag: "1", layers: [{ tar: readFileSync(tar), blob: readFileSync(gzip) }] }]);
      await must("skopeo", [
        "copy",
        "-q",
        "--dest-tls-verify=false",
        `oci:${layout}:1`,
        `docker://${registry.host}/debian:1`,
      ]);
    } finally {
      rmSync(layout, { recursive: true, force: true });
    }
    let stall = true;
    await using proxy = await startFaultyProxy(registry.url, ({ path }) =>
      stall && path.includes("/blobs/") ? { kind: "stall", afterBytes: 20_000_000 } : undefined,
    );
    await using engine = await startEngine();
    const image = `${proxy.host}/debian:1`;
    const ingest = join(engine.root, "ingest");
    const partOf = (bytes: number) =>
      until(`${bytes} bytes of the layer are here`, () =>
        readdirSync(ingest).find(
          (name) => name.endsWith(".part") && statSync(join(ingest, name)).size >= bytes,
        ),
      );
    const rangesSince = (index: number) =>
      proxy.requests
        .slice(index)
        .map(({ headers }) => headers["range"])
        .filter((range) => range !== undefined);

    // Ctrl-C says what is kept.
    const interrupted = spawn(PLY_BINARY, ["pull", image], {
      env: { ...process.env, PLY_HOST: engine.host },
    });
    let said = "";
    interrupted.stderr.on("data", (chunk: Buffer) => {
      said += chunk;
    });
    const part = await partOf(15_000_000);
    const closed = once(interrupted, "close");
    interrupted.kill("SIGINT");
    await closed;
    assert.equal(interrupted.exitCode, 130);
    assert.match(said, /^Pull cancelled\. Finished layers and the parts of others are kept/);
    await until("the layer is let go of", () => readdirSync(ingest).join() === part);
    const first = statSync(join(ingest, part)).size;

    // The engine dies in the middle of the next one.
    const second = proxy.requests.length;
    const pulling = engine.ply(["pull", image]);
    await partOf(first + 15_000_000);
    assert.deepEqual(rangesSince(second), [`bytes=${first}-`]);
    await engine.kill("SIGKILL");
    await pulling;
    const kept = statSync(join(ingest, part)).size;
    stall = false;
    await engine.start();
    assert.equal(statSync(join(ingest, part)).size, kept, "the part outlives the engine");
    const before = proxy.requests.length;
    await engine.must(["pull", image]);
    assert.deepEqual(rangesSince(before), [`bytes=${kept}-`], "the rest only");
    await engine.must(["system", "check"]);
  });

  test("push uploads nothing that is there, and pushes back the very same manifest", async () => {
    await using registry = await startRegistry();
    await using proxy = await startFaultyProxy(registry.url, () => undefined);
    await using engine = await startEngine();
    await importBusybox(engine, `${proxy.host}/bb:1`);
    const pushed = await engine.must(["push", `${proxy.host}/bb:1`]);
    const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed.stdout)?.[1];
    assert.ok(digest);
    await engine.must(["rmi", `${proxy.host}/bb:1`]);
    await engine.must(["pull", `${proxy.host}/bb:1`]);
    await engine.must(["tag", `${proxy.host}/bb:1`, `${proxy.host}/bb:2`]);
    await engine.must(["tag", `${proxy.host}/bb:1`, `${proxy.host}/other/bb:1`]);
    const before = proxy.requests.length;
    const again = await engine.must(["push", `${proxy.host}/bb:2`]);
    assert.ok(again.stdout.includes(digest), again.stdout);
    const uploads = proxy.requests
      .slice(before)
      .filter(({ method }) => method === "POST" || method === "PATCH");
    assert.deepEqual(uploads, []);
    const mounted = await engine.must(["push", `${proxy.host}/other/bb:1`]);
    assert.ok(mounted.stdout.includes(digest), mounted.stdout);
    assert.ok(
      proxy.requests.some(({ path }) => path.includes("mount=")),
      "layers were mounted across repositories",
    );
  });

  test("several images in one command; one that fails does not stop the others", async () => {
    await using registry = await startRegistry();
    await using engine = await startEngine();
    for (const name of ["one", "two"]) {
      await importBusybox(engine, `${registry.host}/${name}:1`);
      await engine.must(["push", "-q", `${registry.host}/${name}:1`]);
      await engine.must(["rmi", `${registry.host}/${name}:1`]);
    }
    // On a terminal: lines painted over each other, and what stays ends with digest and status.
    const shown = await run("script", ["-qec", `${PLY_BINARY} pull ${registry.host}/one:1`, "/dev/null"], {
      env: { PLY_HOST: engine.host, TERM: "xterm" },
      stdin: "stays open",
    });
    assert.equal(shown.code, 0);
    assert.match(shown.stdout, /\x1b\[\d*[AJK]/);
    assert.match(
      shown.stdout,
      /[0-9a-f]{12} {2}(Ready|Already exists) .*\r\n(.*\x1b\[\w+)*Digest: sha256:[0-9a-f]{64}\r\nStatus: Downloaded newer image for .*\/one:1\r\n/,
    );
    const pulled = await engine.ply([
      "pull",
      `${registry.host}/one:1`,
      `${registry.host}/missing:1`,
      `${registry.host}/two:1`,
    ]);
    assert.equal(pulled.code, 1);
    assert.match(pulled.stderr, /missing:1/);
    const listed = (await engine.must(["images", "--format", "{{.Repository}}"])).stdout;
    assert.match(listed, /one/);
    assert.match(listed, /two/);
  });
});
