import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type BuildRoom, openBuildRoom } from "../support/build-room.ts";
import { buildxConfig } from "../support/docker-buildx.ts";
import { unless } from "../support/needs.ts";
import { exited, must, type RunOptions, until } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";
import { busyboxWith, startSshAgent } from "../support/ssh-agent.ts";
import { tarball } from "../support/tarball.ts";
import { readTree } from "../support/tree.ts";

const ACCOUNT = { username: "user", password: "secret" };

describe("builds of docker's own client", {
  skip: unless("root", "docker", "docker-registry", "crun", "conmon", "ssh-agent", "ssh-add", "ssh-keygen"),
}, () => {
  let room: BuildRoom;
  let config: string;
  before(async () => {
    room = await openBuildRoom();
    config = await buildxConfig(room.work);
  });
  after(() => room[Symbol.asyncDispose]());

  const docker = (args: readonly string[], options: RunOptions = {}) =>
    room.engine.docker(args, { ...options, env: { DOCKER_CONFIG: config, ...options.env } });
  /** What a build says; it must succeed. */
  const build = async (args: readonly string[], options?: RunOptions): Promise<string> => {
    const ran = await docker(["build", "--progress=plain", ...args], options);
    assert.equal(ran.code, 0, ran.stderr);
    return ran.stderr;
  };

  test("a context with all that files are goes there and comes back", async () => {
    const directory = room.contextOf("FROM scratch\nCOPY . /\n", {
      "d/one": "one",
      big: Buffer.alloc(5_000_000, "big"),
      "d/ü": "umlaut",
      empty: "",
      "left/out": "by the rules",
      ".dockerignore": "left\n.dockerignore\n",
    });
    const at = (name: string) => join(directory, name);
    const binary = Buffer.concat([Buffer.from(at("d/")), Buffer.from([0xff, 0xfe])]);
    writeFileSync(binary, "no UTF-8");
    linkSync(at("d/one"), at("d/two"));
    symlinkSync("../nowhere", at("d/link"));
    mkdirSync(at("d/sub"));
    await must("mkfifo", [at("pipe")]);
    await must("mknod", [at("null"), "c", "1", "3"]);
    await must("setfattr", ["-n", "user.mine", "-v", "yes", at("big")]);
    chmodSync(at("d/one"), 0o4755);
    for (const name of ["d/sub", "d", "empty"]) utimesSync(at(name), 1e9, 1e9 + 0.25);
    const out = join(room.work, "out");
    await build(["--output", `type=local,dest=${out}`, directory]);
    const without = ["", "left", ".dockerignore"];
    assert.deepEqual(readTree(out, { without: [""] }), readTree(directory, { without }));
  });

  test("outputs: a tarball, archives, a directory for each of several platforms", async () => {
    const directory = room.contextOf("FROM scratch\nCOPY f /\n", { f: "f" });
    const to = (type: string) => join(room.work, `${type}.tar`);
    await build(["--output", `type=tar,dest=${to("tar")}`, directory]);
    assert.equal((await must("tar", ["tf", to("tar")])).stdout, "f\n");
    for (const type of ["oci", "docker"]) {
      await build(["--output", `type=${type},dest=${to(type)},name=${type}:1`, directory]);
      assert.match((await room.engine.must(["load", "-i", to(type)])).stdout, new RegExp(`${type}:1`));
    }
    const out = join(room.work, "platforms");
    await build(["--platform", "linux/arm64,linux/amd64", "--output", out, directory]);
    assert.deepEqual(readdirSync(out).sort(), ["linux_amd64", "linux_arm64"]);
    assert.equal(readFileSync(join(out, "linux_arm64/f"), "utf8"), "f");
  });

  test("contexts and Dockerfiles from stdin", async () => {
    const dockerfile = "FROM bb:1\nCOPY . /c\n";
    const stdin = tarball([
      { name: "Dockerfile", data: dockerfile },
      { name: "f", data: "from a tar" },
    ]);
    await build(["-t", "stdin:1", "-"], { stdin });
    assert.equal(await room.inImage("stdin:1", "cat /c/f"), "from a tar");
    await build(["-t", "stdin:2", "-"], { stdin: "FROM bb:1\nENV A=alone\n" });
    assert.equal(await room.inImage("stdin:2", "echo $A"), "alone\n");
    const directory = room.contextOf("FROM nothing", { f: "from a directory" });
    await build(["-t", "stdin:3", "-f", "-", directory], { stdin: dockerfile });
    assert.equal(await room.inImage("stdin:3", "cat /c/f"), "from a directory");
  });

  test("secrets and agents of the client's", async () => {
    await room.engine.must(["import", "-", "ssh:1"], {
      stdin: tarball(await busyboxWith("/usr/bin/ssh-add")),
    });
    await using agent = await startSshAgent(room.work, "key-of-the-test");
    const directory = room.contextOf(`FROM ssh:1
RUN --mount=type=ssh ssh-add -l; stat -c 'socket %a' $SSH_AUTH_SOCK
RUN --mount=type=secret,id=s --mount=type=secret,id=other cat /run/secrets/s; test ! -e /run/secrets/other
RUN --mount=type=ssh,id=absent test -z "$SSH_AUTH_SOCK"
`);
    const secret = join(room.work, "secret");
    writeFileSync(secret, "word of the secret");
    const said = await build(
      ["--network=none", "--ssh", "default", "--secret", `id=s,src=${secret}`, directory],
      { env: { SSH_AUTH_SOCK: agent.socket } },
    );
    assert.match(said, / key-of-the-test \(ED25519\)/);
    assert.match(said, /socket 600/);
    assert.match(said, /word of the secret/);
    await until("its socket is gone", () => readdirSync(join(room.engine.runRoot, "build")).length === 0);
    const required = room.contextOf("FROM bb:1\nRUN --mount=type=secret,id=no,required=true true\n");
    const failed = await docker(["build", required]);
    assert.match(failed.stderr, /secret no: not found/);
  });

  test("credentials of the client's let in to a registry, to pull from and to push to", async () => {
    await using registry = await startRegistry({ htpasswd: ACCOUNT });
    const base = `${registry.host}/base:1`;
    const auth = Buffer.from(`${ACCOUNT.username}:${ACCOUNT.password}`).toString("base64");
    const own = await buildxConfig(room.work, { auths: { [registry.host]: { auth } } });
    await room.engine.must(["tag", "bb:1", base]);
    await docker(["push", "-q", base], { env: { DOCKER_CONFIG: own } });
    await room.engine.must(["rmi", base]);
    const directory = room.contextOf(`FROM ${base}\nENV A=b\n`);
    const args = ["-t", `${registry.host}/app:1`, "--output=type=image,push=true", directory];
    const refused = await docker(["build", ...args]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /denied|authoriz/i);
    await build(args, { env: { DOCKER_CONFIG: own } });
    await room.engine.must(["rmi", `${registry.host}/app:1`]);
    await docker(["pull", "-q", `${registry.host}/app:1`], { env: { DOCKER_CONFIG: own } });
    assert.equal(await room.inImage(`${registry.host}/app:1`, "echo $A"), "b\n");
  });

  test("a client that is killed ends its build, of which nothing is left", async () => {
    const directory = room.contextOf("FROM bb:1\nCOPY . /\nRUN --network=none sleep 600\n", {
      big: Buffer.alloc(1_000_000),
    });
    const plugin = join(config, "cli-plugins/docker-buildx");
    const env = { ...process.env, DOCKER_CONFIG: config, DOCKER_HOST: room.engine.host };
    const client = spawn(plugin, ["build", directory], { env, stdio: "ignore" });
    const containers = async () => (await room.engine.must(["ps", "-q"])).stdout;
    await until("the step runs", async () => (await containers()) !== "");
    client.kill("SIGKILL");
    await exited(client);
    await until("the step is gone", async () => (await containers()) === "");
    await until("the context is gone", () => readdirSync(join(room.engine.root, "build/spool")).length === 0);
  });

  test("POST /build?version=2: the context in the body, BuildKit's progress in the answer", async () => {
    const body = tarball([
      { name: "Other", data: "FROM bb:1\nARG WORD\nRUN --network=none echo $WORD\nLABEL b=c\n" },
    ]);
    const query = {
      version: "2",
      t: "posted:1",
      dockerfile: "Other",
      buildargs: '{"WORD":"posted"}',
      labels: '{"a":"b"}',
    };
    const post = async (more: Record<string, string> = {}) => {
      const asked = new URLSearchParams({ ...query, ...more });
      const options = { method: "POST", unix: room.engine.socket, body };
      const response = await fetch(`http://engine/build?${asked}`, options);
      return { status: response.status, text: await response.text() };
    };
    const { status, text } = await post();
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const told = lines
      .filter(({ id }) => id === "moby.buildkit.trace")
      .map(({ aux }) => Buffer.from(aux, "base64").toString("latin1"));
    assert.equal(status, 200);
    assert.match(told.join(""), /RUN --network=none echo \$WORD/);
    assert.match(told.join(""), /posted\n/);
    const [{ Id, Config }] = JSON.parse((await docker(["image", "inspect", "posted:1"])).stdout);
    assert.deepEqual(lines.at(-1), { id: "moby.image.id", aux: { ID: Id } });
    assert.deepEqual(Config.Labels, { a: "b", b: "c" });
    assert.match((await post({ dockerfile: "None" })).text, /Cannot locate specified Dockerfile: None/);
    const several = await post({ outputs: '[{"Type":"tar"},{"Type":"oci"}]' });
    assert.deepEqual([several.status, /multiple outputs/.test(several.text)], [501, true]);
  });
});
