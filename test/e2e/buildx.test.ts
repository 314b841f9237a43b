import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type BuildRoom, openBuildRoom, printedBySteps } from "../support/build-room.ts";
import { composeOfSid } from "../support/debian.ts";
import { buildxConfig } from "../support/docker-buildx.ts";
import { unless } from "../support/needs.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { type Ran, run, until } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";
import { tarball } from "../support/tarball.ts";

const ACCOUNT = { username: "ann", password: "s3cret" };
const DOCKERFILE = `# syntax=docker/dockerfile:1
FROM bb:1 AS base
ARG NAME=world
RUN echo "hello $NAME"; echo trouble >&2
COPY . /src/

FROM base AS app
workdir /work
ENV a b
COPY --from=other /o /o
RUN cat /o; ls /src
`;

describe("docker build with buildx", {
  skip: unless("root", "docker", "docker-registry", "crun", "conmon"),
}, () => {
  let room: BuildRoom;
  let config: string;
  let context: string;
  before(async () => {
    room = await openBuildRoom();
    config = await buildxConfig(room.work);
    context = room.contextOf(DOCKERFILE, {
      kept: "kept\n",
      "left.log": "left\n",
      ".dockerignore": "# c\n\n  /*.log/ \n",
    });
  });
  after(() => room[Symbol.asyncDispose]());

  const environment = () => ({ DOCKER_HOST: room.engine.host, DOCKER_CONFIG: config });
  const docker = (words: readonly string[], options: Parameters<typeof run>[2] = {}): Promise<Ran> =>
    run("docker", words, { ...options, env: { ...environment(), ...options.env } });
  const must = async (words: readonly string[], options: Parameters<typeof run>[2] = {}): Promise<Ran> => {
    const ran = await docker(words, options);
    assert.equal(ran.code, 0, `docker ${words.join(" ")}: ${ran.stdout}${ran.stderr}`);
    return ran;
  };
  const build = (...words: string[]) => must(["build", "--network", "none", "--progress", "plain", ...words]);
  const refused = async (...words: string[]): Promise<string> => {
    const ran = await docker(["build", "--network", "none", "--progress", "plain", ...words]);
    assert.equal(ran.code, 1, ran.stdout + ran.stderr);
    return ran.stderr;
  };
  /** Steps and what became of them, in the order of their numbers. */
  const shown = (progress: string): string[] =>
    [...progress.matchAll(/^#(\d+) (\[.*|exporting.*)$/gm)]
      .filter(([, number], n, all) => all.findIndex((other) => other[1] === number) === n)
      .map(([, number, name]) => {
        const ends = new RegExp(`^#${number} (DONE|CACHED|ERROR|CANCELED)`, "m");
        return `${name} ${ends.exec(progress)?.[1]}`;
      });

  test("an image that several stages begin with is looked for once", async () => {
    const stages = room.contextOf("FROM bb:1 AS a\nRUN echo a > /a\nFROM bb:1\nCOPY --from=a /a /a\n");
    assert.equal(
      shown((await build("-t", "stages:1", stages)).stderr).filter((each) => each.includes("load metadata"))
        .length,
      1,
    );
  });

  test("steps, output, warnings and the result in BuildKit's words; a second time all is cached", async () => {
    const other = room.contextOf("", { o: "other\n" });
    const files = [join(room.work, "iid"), join(room.work, "metadata")] as const;
    const words = [
      "-t",
      "app:1",
      "-t",
      "app:2",
      "--build-context",
      `other=${other}`,
      "--build-arg",
      "NAME=you",
    ];
    const first = await build(...words, "--iidfile", files[0], "--metadata-file", files[1], context);
    assert.deepEqual(shown(first.stderr).sort(), [
      "[app 1/3] WORKDIR /work DONE",
      "[app 2/3] COPY --from=other /o /o DONE",
      "[app 3/3] RUN cat /o; ls /src DONE",
      "[base 1/3] FROM docker.io/library/bb:1 DONE",
      '[base 2/3] RUN echo "hello $NAME"; echo trouble >&2 DONE',
      "[base 3/3] COPY . /src/ DONE",
      "[context other] load .dockerignore DONE",
      "[context other] load from client DONE",
      "[internal] load .dockerignore DONE",
      "[internal] load build context DONE",
      "[internal] load build definition from Dockerfile DONE",
      "[internal] load metadata for docker.io/library/bb:1 DONE",
      "exporting to image DONE",
    ]);
    const printed = printedBySteps(first.stderr);
    for (const line of ["hello you", "trouble", "other", "kept"]) assert.ok(printed.includes(line), line);
    assert.ok(!printed.includes("left.log"));
    assert.match(first.stderr, /^#\d+ naming to docker\.io\/library\/app:2 done$/m);
    assert.match(first.stderr, /2 warnings found/);
    assert.match(first.stderr, /ConsistentInstructionCasing: .* \(line 8\)/);
    const id = (await must(["image", "inspect", "-f", "{{.Id}}", "app:1"])).stdout.trim();
    assert.equal(readFileSync(files[0], "utf8"), id);
    const metadata = JSON.parse(readFileSync(files[1], "utf8"));
    assert.equal(metadata["containerimage.config.digest"], id);
    assert.equal(metadata["image.name"], "docker.io/library/app:1,docker.io/library/app:2");
    assert.match(metadata["buildx.build.ref"], /^default\/default\/\w+$/);
    const again = await build(...words, context);
    assert.ok(shown(again.stderr).includes("[app 3/3] RUN cat /o; ls /src CACHED"), again.stderr);
    assert.equal((await must(["build", "-q", "--network", "none", ...words, context])).stdout.trim(), id);
    assert.equal((await must(["run", "--rm", "--network", "none", "app:2", "cat", "/o"])).stdout, "other\n");
  });

  test("what fails is told with its lines", async () => {
    const failing = room.contextOf("FROM bb:1\nRUN echo one; \\\n  exit 3\nRUN true\n");
    const told = await refused(failing);
    assert.match(told, /^ > \[2\/3\] RUN echo one; {3}exit 3:\n\d\.\d+ one$/m);
    assert.match(
      told,
      /^Dockerfile:2\n-+\n {3}1 \| {5}FROM bb:1\n {3}2 \| >>> RUN echo one; \\\n {3}3 \| >>> {3}exit 3$/m,
    );
    assert.match(
      told,
      /failed to solve: process "\/bin\/sh -c echo one; {3}exit 3" did not complete successfully: exit code: 3$/m,
    );
    assert.match(
      await refused(room.contextOf("FROM bb:1\nCOPPY a b\n")),
      /Dockerfile:2[\s\S]*unknown instruction: COPPY/,
    );
    assert.match(await refused(room.contextOf("FROM bb:1\nCOPY absent /\n")), /Dockerfile:2[\s\S]*absent/);
    assert.match(await refused("--target", "nowhere", context), /nowhere/);
    assert.match(await refused("-f", "Absent", context), /Absent/);
    assert.match(
      await refused("--build-arg", "BUILDKIT_SYNTAX=example.org/frontend", context),
      /the frontend example\.org\/frontend cannot be run/,
    );
    assert.match(await refused("--sbom=true", context), /no attestation of type sbom/);
    assert.match(
      await refused("--platform", "linux/amd64,linux/arm64", context),
      /Multi-platform build is not supported/,
    );
    assert.match(
      await refused("--cache-to", `type=local,dest=${join(room.work, "cache")}`, context),
      /no cache of type local/,
    );
  });

  test("questions about a Dockerfile", async () => {
    const checked = await docker(["build", "--check", context]);
    assert.equal(checked.code, 1, checked.stderr);
    assert.match(checked.stdout, /2 warnings have been found!/);
    assert.match(checked.stdout, /^WARNING: LegacyKeyValueFormat - https:/m);
    const outline = await must([
      "buildx",
      "build",
      "--call",
      "outline,format=json",
      "--target",
      "base",
      context,
    ]);
    const { name, args } = JSON.parse(outline.stdout);
    assert.deepEqual([name, args[0].name, args[0].value], ["base", "NAME", "world"]);
    const targets = await must(["buildx", "build", "--call", "targets", context]);
    assert.deepEqual(targets.stdout.trim().split(/\s+/), [
      "TARGET",
      "DESCRIPTION",
      "base",
      "app",
      "(default)",
    ]);
    const described = await must(["buildx", "build", "--call", "subrequests.describe", context]);
    assert.match(described.stdout, /outline/);
  });

  test("bake: several targets, one on another's result, a compose file; nothing is left of what was for others alone", async () => {
    const directory = room.contextOf("FROM bb:1\nCOPY kept /kept\n", {
      kept: "kept\n",
      "docker-bake.hcl": `group "default" { targets = ["top", "beside"] }
target "_all" { network = "none" }
target "below" {
  inherits = ["_all"]
  dockerfile-inline = "FROM bb:1\\nRUN echo below > /below\\n"
}
target "top" {
  inherits = ["_all"]
  contexts = { ground = "target:below" }
  dockerfile-inline = "FROM ground\\nRUN cat /below; echo top > /top\\n"
  tags = ["top:1"]
}
target "beside" {
  inherits = ["_all"]
  tags = ["beside:1"]
}
`,
      "compose.yaml": `services:
  web:
    image: web:1
    build: { context: ., network: none }
    network_mode: none
    command: cat /kept
`,
    });
    const baked = await must(["buildx", "bake", "--progress", "plain"], { cwd: directory });
    assert.ok(printedBySteps(baked.stderr).includes("below"), baked.stderr);
    assert.equal(
      (await must(["run", "--rm", "--network", "none", "top:1", "cat", "/below", "/top"])).stdout,
      "below\ntop\n",
    );
    await must(["image", "inspect", "beside:1"]);
    await until(
      "nothing else is left",
      async () => (await must(["image", "ls", "-q", "--filter", "dangling=true"])).stdout === "",
    );
    symlinkSync(await composeOfSid(), join(config, "cli-plugins/docker-compose"));
    await must(["compose", "-p", "baked", "build"], { cwd: directory });
    const web = await must(["compose", "-p", "baked", "run", "--rm", "web"], { cwd: directory });
    assert.equal(web.stdout, "kept\n");
  });

  test("a layout of an image as a context, and as a stage's base", async () => {
    const layout = join(room.work, "layout");
    const [written] = writeOciLayout(layout, [
      { tag: "v1", layers: [{ tar: tarball([{ name: "laid", data: "out\n" }]), packing: "zstd" }] },
    ]);
    const directory = room.contextOf("FROM base\nCOPY --from=again laid /again\n");
    const words = ["base", "again"].flatMap((name) => [
      "--build-context",
      `${name}=oci-layout://${layout}:v1`,
    ]);
    const built = await build(...words, "-o", `type=local,dest=${join(room.work, "laid")}`, directory);
    assert.ok(shown(built.stderr).includes("[context base] OCI load from client DONE"), built.stderr);
    assert.equal(readFileSync(join(room.work, "laid/again"), "utf8"), "out\n");
    rmSync(join(layout, "blobs/sha256", written?.layers[0]?.digest.slice(7) ?? ""));
    await must(["image", "rm", "-f", written?.imageId ?? ""]);
    assert.match(await refused(...words, directory), /not found/);
  });

  test("pushes with credentials, provenance, and caches in the registry", async () => {
    await using registry = await startRegistry({ htpasswd: ACCOUNT });
    const auth = Buffer.from(`${ACCOUNT.username}:${ACCOUNT.password}`).toString("base64");
    writeFileSync(join(config, "config.json"), JSON.stringify({ auths: { [registry.host]: { auth } } }));
    const pushed = room.contextOf("FROM bb:1\nRUN echo made > /made\nCOPY Dockerfile /\n");
    const [name, cache] = [`${registry.host}/team/app:1`, `${registry.host}/team/cache`];
    const metadata = join(room.work, "pushed");
    const words = ["--push", "-t", name, "--metadata-file", metadata, "--annotation", "index:of=index"];
    await build(...words, "--cache-to", `type=registry,ref=${cache},mode=max`, pushed);
    const told = JSON.parse(readFileSync(metadata, "utf8"));
    const headers = { Authorization: `Basic ${auth}`, Accept: "application/vnd.oci.image.index.v1+json" };
    const answer = await fetch(`${registry.url}/v2/team/app/manifests/1`, { headers });
    assert.equal(answer.headers.get("docker-content-digest"), told["containerimage.digest"]);
    const index = (await answer.json()) as { manifests: { platform: { os: string } }[]; annotations: object };
    assert.deepEqual(index.annotations, { of: "index" });
    assert.deepEqual(
      index.manifests.map(({ platform }) => platform.os),
      ["linux", "unknown"],
    );
    await must(["buildx", "prune", "-af"]);
    const cached = await build("--cache-from", `type=registry,ref=${cache}`, pushed);
    assert.ok(shown(cached.stderr).includes("[2/3] RUN echo made > /made CACHED"), cached.stderr);
    const several = ["--platform", "linux/amd64,linux/arm64", "--provenance=false", "--push"];
    await build(...several, "-t", `${name}-all`, room.contextOf("FROM scratch\nCOPY Dockerfile /\n"));
    const all = await fetch(`${registry.url}/v2/team/app/manifests/1-all`, { headers });
    assert.equal(((await all.json()) as typeof index).manifests.length, 2);
    writeFileSync(join(config, "config.json"), "{}");
    assert.match(await refused("--push", "-t", name, pushed), /401|denied|unauthorized|credentials/i);
  });

  test("the builder itself: what it can do, what it keeps, what it has done", async () => {
    const directory = room.contextOf(
      "FROM bb:1\nRUN --mount=type=cache,target=/c echo used > /c/f && echo kept > /k\n",
    );
    await build("-t", "history:1", directory);
    const inspected = (await must(["buildx", "inspect"])).stdout;
    assert.match(inspected, /Status:\s+running/);
    assert.match(inspected, /Platforms:\s+linux\//);
    const used = (await must(["buildx", "du", "--verbose"])).stdout;
    assert.match(used, /Type:\s+exec\.cachemount/);
    assert.match(used, /Description:\s+RUN --mount=type=cache/);
    const listed = await must(["buildx", "du", "--filter", "type=exec.cachemount"]);
    assert.equal(listed.stdout.match(/^\S+\*?\s+(?:true|false)/gm)?.length, 1, listed.stdout);
    await must(["buildx", "prune", "-f", "--filter", "type=exec.cachemount"]);
    assert.doesNotMatch((await must(["buildx", "du", "--verbose"])).stdout, /exec\.cachemount/);
    assert.match((await must(["builder", "prune", "-af"])).stdout, /Total:/);
    const history = (await must(["buildx", "history", "ls", "--format", "json"])).stdout.trim().split("\n");
    const last = JSON.parse(history[0] ?? "{}");
    assert.equal(last.status, "Completed");
    await must(["buildx", "history", "rm", last.ref.split("/").at(-1)]);
    assert.doesNotMatch(
      (await must(["buildx", "history", "ls", "--format", "json"])).stdout,
      new RegExp(last.ref),
    );
  });

  test("Ctrl-C ends the build, and nothing is left of it", async () => {
    const directory = room.contextOf("FROM bb:1\nRUN echo begun; sleep 1000\n");
    const child = spawn("docker", ["build", "--network", "none", "--progress", "plain", directory], {
      env: { ...process.env, ...environment() },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let told = "";
    child.stderr.on("data", (chunk: Buffer) => {
      told += chunk;
    });
    const ended = once(child, "close");
    await until("the step runs", () => /^#\d+ \d+\.\d+ begun$/m.test(told));
    child.kill("SIGINT");
    await ended;
    assert.match(told, /^#\d+ CANCELED$/m);
    await until("no container is left", async () => (await must(["ps", "-aq"])).stdout === "");
    await until("nothing is in use", async () => {
      const used = await must(["buildx", "du", "--filter", "inuse=true"]);
      return !/^\S+\*?\s+(?:true|false)/m.test(used.stdout);
    });
    await until("no file is left", () => readdirSync(join(room.engine.root, "build/spool")).length === 0);
  });
});
