import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { freePort } from "../support/free-port.ts";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, startEngine, type TestEngine } from "../support/ply.ts";
import { exited, must, type Ran, run, until } from "../support/process.ts";

const DOCKERS = ["/usr/local/bin/docker", "/usr/bin/docker"];

describe("TLS with client certificates", {
  skip: unless("root", "openssl", ...DOCKERS.map((it) => `file:${it}`)),
}, () => {
  let dir = "";
  let engine: TestEngine;
  let host = "";
  const at = (name: string): string => join(dir, name);

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "ply-tls-"));
    const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    for (const ca of ["ca", "stranger"])
      await must("openssl", [
        "req",
        "-x509",
        ...ec,
        "-subj",
        `/CN=${ca}`,
        "-keyout",
        at(`${ca}.key`),
        "-out",
        at(`${ca}.pem`),
      ]);
    const issue = (name: string, ca: string, names: string) =>
      must("openssl", [
        ...["req", "-x509", ...ec, "-subj", `/CN=${name}`, "-CA", at(`${ca}.pem`), "-CAkey", at(`${ca}.key`)],
        ...["-addext", `subjectAltName=${names}`, "-addext", "basicConstraints=critical,CA:FALSE"],
        ...["-keyout", at(`${name}.key`), "-out", at(`${name}.pem`)],
      ]);
    await issue("server", "ca", "IP:127.0.0.1");
    await issue("elsewhere", "ca", "DNS:elsewhere.test");
    await issue("client", "ca", "DNS:client");
    await issue("intruder", "stranger", "DNS:intruder");
    for (const [folder, name] of [
      ["mine", "client"],
      ["theirs", "intruder"],
    ] as const) {
      mkdirSync(at(folder));
      copyFileSync(at("ca.pem"), at(`${folder}/ca.pem`));
      copyFileSync(at(`${name}.pem`), at(`${folder}/cert.pem`));
      copyFileSync(at(`${name}.key`), at(`${folder}/key.pem`));
    }
    host = `tcp://127.0.0.1:${await freePort()}`;
    const tls = [
      "--tlsverify",
      "--tlscacert",
      at("ca.pem"),
      "--tlscert",
      at("server.pem"),
      "--tlskey",
      at("server.key"),
    ];
    engine = await startEngine({ args: ["-H", host, ...tls] });
    await importBusybox(engine);
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  const hello = ["run", "--rm", "-i", "--network", "none", "bb:1", "cat"];
  const withCerts = (folder: string) => ({
    stdin: "hello",
    env: { PLY_HOST: host, DOCKER_HOST: host, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: at(folder) },
  });

  test("ply and both docker clients, by the environment and by flags", async () => {
    for (const client of [PLY_BINARY, ...DOCKERS]) {
      assert.equal((await must(client, hello, withCerts("mine"))).stdout, "hello", client);
      const files = [
        "--tlscacert",
        at("ca.pem"),
        "--tlscert",
        at("client.pem"),
        "--tlskey",
        at("client.key"),
      ];
      const env = { DOCKER_CONFIG: at("none") };
      const { stdout } = await must(client, ["-H", host, "--tlsverify", ...files, ...hello], {
        stdin: "flags",
        env,
      });
      assert.equal(stdout, "flags", client);
    }
  });

  test("nobody else gets in", async () => {
    const refused = async (options: Parameters<typeof run>[2], words: RegExp): Promise<void> => {
      const ran = await run(PLY_BINARY, ["ps"], { timeoutMs: 20_000, ...options });
      assert.equal(ran.code, 1, ran.stdout);
      assert.match(ran.stderr, words);
    };
    await refused(withCerts("theirs"), /connection|closed|trusted/i);
    await refused({ env: { PLY_HOST: host } }, /closed|lost the connection|not an HTTP/);
    await refused({ env: { ...withCerts("mine").env, DOCKER_CERT_PATH: at("none") } }, /not trusted|closed/);
    const docker = await run("docker", ["ps"], withCerts("theirs"));
    assert.notEqual(docker.code, 0);
  });

  test("a server whose certificate names another host is not believed", async () => {
    const other = `tcp://127.0.0.1:${await freePort()}`;
    const tls = [
      "--tlsverify",
      "--tlscacert",
      at("ca.pem"),
      "--tlscert",
      at("elsewhere.pem"),
      "--tlskey",
      at("elsewhere.key"),
    ];
    await using _engine = await startEngine({ args: ["-H", other, ...tls] });
    const { env } = withCerts("mine");
    const ran = await run(PLY_BINARY, ["ps"], { env: { ...env, PLY_HOST: other } });
    assert.equal(ran.code, 1, ran.stdout);
    assert.match(ran.stderr, /not trusted/);
  });

  test("beyond this machine it takes client certificates, or somebody who insists", async () => {
    const start = (args: readonly string[]): Promise<Ran> =>
      run(
        PLY_BINARY,
        ["serve", "--root", at("root"), "--run-root", at("run"), "-H", "tcp://0.0.0.0:0", ...args],
        {
          timeoutMs: 10_000,
        },
      );
    const plain = await start([]);
    assert.match(plain.stderr, /refusing to listen on tcp:\/\/0\.0\.0\.0:0 without TLS/);
    const unverified = await start(["--tls", "--tlscert", at("server.pem"), "--tlskey", at("server.key")]);
    assert.match(unverified.stderr, /without client certificates/);
    const keyless = await start(["--tlsverify", "--tlscacert", at("ca.pem")]);
    assert.match(keyless.stderr, /TLS needs a certificate and its key/);
  });

  test("a docker context with certificates, by name", async () => {
    const env = { DOCKER_CONFIG: at("config"), DOCKER_HOST: "", PLY_HOST: "" };
    const endpoint = `host=${host},ca=${at("ca.pem")},cert=${at("client.pem")},key=${at("client.key")}`;
    await must("docker", ["context", "create", "over-there", "--docker", endpoint], { env });
    for (const client of [PLY_BINARY, "docker"]) {
      assert.equal(
        (await must(client, ["--context", "over-there", ...hello], { env, stdin: "x" })).stdout,
        "x",
      );
      const byName = { env: { ...env, DOCKER_CONTEXT: "over-there" }, stdin: "y" };
      assert.equal((await must(client, hello, byName)).stdout, "y");
    }
    const unknown = await run(PLY_BINARY, ["--context", "nowhere", "ps"], { env });
    assert.match(unknown.stderr, /context "nowhere": context not found/);
  });
});

describe("ssh", { skip: unless("root", "ssh", "file:/usr/sbin/sshd", "docker") }, () => {
  let dir = "";
  let engine: TestEngine;
  let sshd: ChildProcess;
  let port = 0;
  const at = (name: string): string => join(dir, name);
  const env = () => ({ PATH: `${at("bin")}:${process.env["PATH"]}`, DOCKER_CONFIG: at("config") });

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "ply-ssh-"));
    chmodSync(dir, 0o755);
    for (const key of ["host", "user"])
      await must("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", at(key)]);
    copyFileSync(at("user.pub"), at("authorized"));
    mkdirSync(at("remote"));
    // What is on the other machine's PATH: ply, which serves docker's client as well.
    for (const name of ["ply", "docker"]) symlinkSync(PLY_BINARY, at(`remote/${name}`));
    engine = await startEngine();
    await importBusybox(engine);
    port = await freePort();
    const config = {
      ListenAddress: `127.0.0.1:${port}`,
      HostKey: at("host"),
      AuthorizedKeysFile: at("authorized"),
      StrictModes: "no",
      PasswordAuthentication: "no",
      KbdInteractiveAuthentication: "no",
      PermitRootLogin: "yes",
      UsePAM: "no",
      PidFile: "none",
      SetEnv: `PATH=${at("remote")}:/usr/bin:/bin PLY_HOST=${engine.host}`,
    };
    writeFileSync(
      at("sshd_config"),
      Object.entries(config)
        .map(([key, value]) => `${key} ${value}\n`)
        .join(""),
    );
    mkdirSync("/run/sshd", { recursive: true });
    sshd = spawn("setpriv", ["--pdeathsig", "KILL", "/usr/sbin/sshd", "-D", "-e", "-f", at("sshd_config")], {
      stdio: "ignore",
    });
    // Keys and known hosts are ssh's own business: a configuration of its own stands for the user's.
    mkdirSync(at("bin"));
    const options = `-o IdentityFile=${at("user")} -o IdentitiesOnly=yes -o UserKnownHostsFile=${at("known")} -o StrictHostKeyChecking=no -o LogLevel=ERROR`;
    writeFileSync(at("bin/ssh"), `#!/bin/sh\nexec /usr/bin/ssh -F none ${options} "$@"\n`, { mode: 0o755 });
    await until(
      "sshd answers",
      async () =>
        (await run("ssh", ["-p", String(port), "root@127.0.0.1", "true"], { env: env(), timeoutMs: 10_000 }))
          .code === 0,
    );
  });
  after(async () => {
    sshd.kill();
    await exited(sshd);
    await engine[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  test("ply and docker reach the engine of another machine", async () => {
    const host = `ssh://root@127.0.0.1:${port}`;
    const variables = { ...env(), PLY_HOST: host, DOCKER_HOST: host };
    const big = "x".repeat(300_000);
    for (const client of [PLY_BINARY, "docker"]) {
      const cat = ["run", "--rm", "-i", "--network", "none", "bb:1", "wc", "-c"];
      const { stdout } = await must(client, cat, { stdin: big, env: variables });
      assert.equal(stdout.trim(), "300000", client);
    }
    for (const client of DOCKERS)
      assert.match((await must(client, ["images"], { env: variables })).stdout, /bb/);
  });

  test("a path is the other engine's socket; what ssh says is passed on", async () => {
    const named = `ssh://root@127.0.0.1:${port}${engine.socket}`;
    assert.match((await must(PLY_BINARY, ["-H", named, "images"], { env: env() })).stdout, /bb/);
    const nowhere = await run(PLY_BINARY, ["-H", "ssh://root@127.0.0.1:1", "images"], { env: env() });
    assert.equal(nowhere.code, 1);
    assert.match(
      nowhere.stderr,
      /cannot reach the ply engine by ssh:\/\/root@127\.0\.0\.1:1: .*refused|lost the connection.*refused/,
    );
  });
});
