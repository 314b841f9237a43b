import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstat, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { PlyPullMessage } from "../../wire/index.ts";
import { jsonLines, startFakeEngine } from "../testing/fake-engine.ts";
import { runPly } from "../testing/run.ts";

const DIGEST = `sha256:${"e".repeat(64)}`;

function pulled(reference: string, name: string, changed = true): PlyPullMessage {
  return { type: "pulled", reference, name, id: "sha256:1", digest: DIGEST, changed };
}

let dir = "";
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "ply-cli-test-"));
});
after(() => rm(dir, { recursive: true, force: true }));

describe("ply pull", () => {
  test("ends with digest, status and full name", async () => {
    await using engine = await startFakeEngine({
      "POST /ply/images/pull": jsonLines(
        {
          type: "progress",
          reference: "debian",
          progress: { kind: "layer", id: "aaa", status: "Downloading", current: 1, total: 2000 },
        },
        { type: "progress", reference: "debian", progress: { kind: "layer", id: "aaa", status: "Ready" } },
        pulled("debian", "debian:latest"),
        { type: "done" },
      ),
    });
    const { stdout, code, stderr } = await runPly(["pull", "debian", "--platform", "linux/arm64"], {
      engine,
    });
    assert.equal(
      stdout,
      `Using default tag: latest\naaa: Downloading 2kB\naaa: Ready\nDigest: ${DIGEST}\nStatus: Downloaded newer image for debian:latest\ndocker.io/library/debian:latest\n`,
    );
    assert.equal(stderr, "");
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(engine.requests[0]?.body ?? ""), {
      references: ["debian"],
      platform: "linux/arm64",
    });
    assert.equal(engine.requests[0]?.headers["x-registry-config"], undefined);
  });

  test("all tags of one tag make no sense", async () => {
    const { stderr, code } = await runPly(["pull", "-a", "debian:12"]);
    assert.deepEqual([stderr, code], ["tag can't be used with --all-tags/-a\n", 1]);
  });

  test("one image of several may fail", async () => {
    await using engine = await startFakeEngine({
      "POST /ply/images/pull": jsonLines(
        { type: "error", reference: "b:1", error: { message: "not there", kind: "not-found", hint: "look" } },
        pulled("a:1", "a:1", false),
        { type: "done" },
      ),
    });
    const { stdout, stderr, code } = await runPly(["pull", "a:1", "b:1"], { engine });
    assert.match(stdout, /Status: Image is up to date for a:1\n/);
    assert.equal(stderr, "Error: not there\nHint: look\n");
    assert.equal(code, 1);
  });

  test("-q prints the full names alone", async () => {
    await using engine = await startFakeEngine({
      "POST /ply/images/pull": jsonLines(pulled("a", "a:latest"), { type: "done" }),
    });
    assert.equal((await runPly(["pull", "-q", "a"], { engine })).stdout, "docker.io/library/a:latest\n");
  });

  test("credentials of the user's go along, by registry", async () => {
    await using engine = await startFakeEngine({
      "POST /ply/images/pull": jsonLines(pulled("x", "x"), { type: "done" }),
    });
    const auth = Buffer.from("me:secret").toString("base64");
    await writeFile(join(dir, "config.json"), JSON.stringify({ auths: { "localhost:5000": { auth } } }));
    await runPly(["pull", "localhost:5000/x:1", "debian:12"], { engine, env: { DOCKER_CONFIG: dir } });
    const header = String(engine.requests[0]?.headers["x-registry-config"]);
    assert.deepEqual(JSON.parse(Buffer.from(header, "base64url").toString()), {
      "localhost:5000": { serveraddress: "localhost:5000", username: "me", password: "secret" },
    });
  });

  test("Ctrl-C ends it with 130 and says what is kept", async () => {
    await using engine = await startFakeEngine({
      "POST /ply/images/pull": (_request, response) => {
        response.writeHead(200);
        response.write(
          `${JSON.stringify({ type: "progress", reference: "a:1", progress: { kind: "message", text: "at work" } })}\n`,
        );
      },
    });
    const { code, stderr } = await runPly(["pull", "a:1"], {
      engine,
      during: (stdio) => {
        const wait = setInterval(() => {
          if (!stdio.stdout().includes("at work")) return;
          clearInterval(wait);
          stdio.signal("SIGINT");
        }, 1);
      },
    });
    assert.equal(code, 130);
    assert.equal(
      stderr,
      "Pull cancelled. Finished layers and the parts of others are kept; the next pull goes on from there.\n",
    );
  });

  test("an engine that dies in the middle is an error", async () => {
    await using engine = await startFakeEngine({
      "POST /ply/images/pull": (_request, response) => {
        response.writeHead(200);
        response.write("{}\n", () => response.destroy());
      },
    });
    const { code, stderr } = await runPly(["pull", "a:1"], { engine });
    assert.equal(code, 1);
    assert.match(stderr, /closed the connection in the middle/);
  });

  test("a name that is none never reaches the engine", async () => {
    const { code, stderr } = await runPly(["pull", "UPPER case"]);
    assert.equal(code, 1);
    assert.match(stderr, /^Error: /);
  });
});

describe("ply push", () => {
  test("shows tag, digest and size", async () => {
    await using engine = await startFakeEngine({
      "POST /ply/images/push": jsonLines(
        { type: "progress", progress: { kind: "layer", id: "aaa", status: "Layer already exists" } },
        { type: "pushed", tag: "1", digest: DIGEST, size: 529 },
        { type: "done" },
      ),
    });
    const { stdout } = await runPly(["push", "localhost:5000/a:1"], { engine });
    assert.equal(
      stdout,
      `The push refers to repository [localhost:5000/a]\naaa: Layer already exists\n1: digest: ${DIGEST} size: 529\n`,
    );
  });

  test("an error in the stream is the command's", async () => {
    await using engine = await startFakeEngine({
      "POST /ply/images/push": jsonLines({ type: "error", error: { message: "denied", kind: "denied" } }),
    });
    const { code, stderr } = await runPly(["push", "-q", "a:1"], { engine });
    assert.equal(code, 1);
    assert.equal(stderr, "Error: denied\n");
  });
});

describe("archives", () => {
  test("save writes a file that is whole or not there", async () => {
    await using engine = await startFakeEngine({
      "GET /ply/images/save": (request, response) => {
        response.writeHead(200);
        response.write("half");
        if (request.query.get("format") === "docker") response.end("-whole");
        else setImmediate(() => response.destroy());
      },
    });
    const path = join(dir, "a.tar");
    assert.equal((await runPly(["save", "-o", path, "a:1", "b:2"], { engine })).code, 0);
    assert.equal(await readFile(path, "utf8"), "half-whole");
    assert.deepEqual(engine.requests[0]?.query.getAll("names"), ["a:1", "b:2"]);
    const broken = await runPly(["save", "--format", "oci", "-o", join(dir, "b.tar"), "a:1"], { engine });
    assert.equal(broken.code, 1);
    assert.deepEqual(
      (await readdir(dir)).filter((name) => name.startsWith("b.tar")),
      [],
    );
  });

  test("save takes no device's or pipe's place, and follows links", async () => {
    await using engine = await startFakeEngine({
      "GET /ply/images/save": (_request, response) => void response.end("tar bytes"),
    });
    const pipe = join(dir, "pipe");
    execFileSync("mkfifo", [pipe]);
    const [seen, { code }] = await Promise.all([
      readFile(pipe, "utf8"),
      runPly(["save", "-o", pipe, "a"], { engine }),
    ]);
    assert.deepEqual([seen, code], ["tar bytes", 0]);
    assert.ok((await lstat(pipe)).isFIFO());
    await writeFile(join(dir, "old.tar"), "old", { mode: 0o600 });
    await symlink("old.tar", join(dir, "link.tar"));
    assert.equal((await runPly(["save", "-o", join(dir, "link.tar"), "a"], { engine })).code, 0);
    assert.equal(await readFile(join(dir, "old.tar"), "utf8"), "tar bytes");
    assert.equal((await lstat(join(dir, "old.tar"))).mode & 0o777, 0o600);
    const folder = await runPly(["save", "-o", dir, "a"], { engine });
    assert.equal(folder.stderr, `Error: cannot write ${dir}: it is a directory\n`);
    const lost = await runPly(["save", "-o", join(dir, "no/such.tar"), "a"], { engine });
    assert.equal(lost.stderr, `Error: cannot write ${join(dir, "no/such.tar")}: no such file or directory\n`);
  });

  test("save goes to stdout, but not to a terminal", async () => {
    await using engine = await startFakeEngine({
      "GET /ply/images/save": (_request, response) => void response.end("tar bytes"),
    });
    assert.equal((await runPly(["save", "a"], { engine })).stdout, "tar bytes");
    const { code, stderr } = await runPly(["save", "a"], { engine, terminals: ["stdout"] });
    assert.equal(code, 1);
    assert.match(stderr, /cowardly refusing to save to a terminal/);
  });

  test("load reads a file or stdin", async () => {
    await using engine = await startFakeEngine({
      "POST /ply/images/load": (request, response) => {
        response.write(`${JSON.stringify({ type: "loaded", name: "a:1", id: "sha256:1" })}\n`);
        response.write(`${JSON.stringify({ type: "loaded", id: `sha256:${request.body.length}` })}\n`);
        response.end('{"type":"done"}\n');
      },
    });
    const path = join(dir, "load.tar");
    await writeFile(path, Buffer.alloc(2_500_000));
    assert.equal(
      (await runPly(["load", "-i", path], { engine })).stdout,
      "Loaded image: a:1\nLoaded image ID: sha256:2500000\n",
    );
    assert.match((await runPly(["load", "-q"], { engine, input: ["abc", "de"] })).stdout, /sha256:5\n$/);
    assert.match((await runPly(["load"], { terminals: ["stdin"] })).stderr, /stdin is a terminal/);
    const missing = await runPly(["load", "-i", join(dir, "nope")], { engine });
    assert.match(missing.stderr, /^Error: cannot read .*nope/);
  });

  test("import sends a file, or names a URL", async () => {
    await using engine = await startFakeEngine({
      "POST /images/create": jsonLines({ status: "Downloading" }, { status: "sha256:abc" }),
    });
    const path = join(dir, "root.tar");
    await writeFile(path, "tar");
    const { stdout } = await runPly(["import", "-c", "CMD x", "-m", "hi", path, "a:1"], { engine });
    assert.equal(stdout, "sha256:abc\n");
    await runPly(["import", "http://x/y.tar"], { engine });
    const [file, url] = engine.requests;
    assert.equal(file?.body, "tar");
    assert.deepEqual(
      ["fromSrc", "repo", "tag", "changes", "message"].map((name) => file?.query.get(name)),
      ["-", "a", "1", "CMD x", "hi"],
    );
    assert.equal(url?.query.get("fromSrc"), "http://x/y.tar");
  });
});

describe("ply login and logout", () => {
  test("credentials are checked by the engine, then kept, then forgotten", async () => {
    await using engine = await startFakeEngine({
      "POST /auth": { json: { Status: "Login Succeeded", IdentityToken: "" } },
    });
    const home = await mkdtemp(join(dir, "home-"));
    const env = { DOCKER_CONFIG: home };
    const { code, stdout } = await runPly(["login", "-u", "me", "--password-stdin", "localhost:5000"], {
      engine,
      env,
      input: ["secret\n"],
    });
    assert.equal(code, 0);
    assert.equal(stdout, "Login Succeeded\n");
    assert.deepEqual(JSON.parse(engine.requests[0]?.body ?? ""), {
      username: "me",
      password: "secret",
      serveraddress: "localhost:5000",
    });
    const config = await readFile(join(home, "config.json"), "utf8");
    assert.ok(config.includes(Buffer.from("me:secret").toString("base64")));
    assert.equal(
      (await runPly(["logout", "localhost:5000"], { env })).stdout,
      "Removing login credentials for localhost:5000\n",
    );
    assert.equal(
      (await runPly(["logout", "localhost:5000"], { env })).stdout,
      "Not logged in to localhost:5000\n",
    );
  });

  test("refused credentials are not kept", async () => {
    await using engine = await startFakeEngine({
      "POST /auth": { status: 401, json: { message: "unauthorized: incorrect username or password" } },
    });
    const home = await mkdtemp(join(dir, "home-"));
    const { code, stderr } = await runPly(["login", "-u", "me", "-p", "x"], {
      engine,
      env: { DOCKER_CONFIG: home },
    });
    assert.equal(code, 1);
    assert.match(stderr, /Error: unauthorized/);
    assert.deepEqual(await readdir(home), []);
  });

  test("a prompt needs a terminal; the password is asked for without echo", async () => {
    await using engine = await startFakeEngine({
      "POST /auth": { json: { Status: "ok", IdentityToken: "tok" } },
    });
    assert.match((await runPly(["login"], { engine })).stderr, /non TTY device/);
    const home = await mkdtemp(join(dir, "home-"));
    const { stderr } = await runPly(["login"], {
      engine,
      env: { DOCKER_CONFIG: home },
      terminals: ["stdin"],
      input: ["me\n", "pw\n"],
    });
    assert.ok(stderr.startsWith("Username: Password: \n"), stderr);
    const { serveraddress } = JSON.parse(engine.requests[0]?.body ?? "") as { serveraddress: string };
    assert.equal(serveraddress, "https://index.docker.io/v1/");
  });
});
