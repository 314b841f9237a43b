/** testcontainers as its users have it, against the engine in DOCKER_HOST. Image: bb:1. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { GenericContainer, Network, Wait } from "testcontainers";

const IMAGE = "bb:1";
const textOf = async (stream) => {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
};

test("a web server: HTTP and port wait strategies, copied files, exec, logs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ply-tc-"));
  writeFileSync(join(folder, "two.html"), "second");
  const container = await new GenericContainer(IMAGE)
    .withCommand(["sh", "-c", "echo serving; exec httpd -f -p 8080 -h /www"])
    .withCopyContentToContainer([{ content: "first", target: "/www/one.html" }])
    .withCopyFilesToContainer([{ source: join(folder, "two.html"), target: "/www/two.html", mode: 0o644 }])
    .withCopyDirectoriesToContainer([{ source: folder, target: "/www/folder" }])
    .withEnvironment({ COLOUR: "red" })
    .withUser("root")
    .withWorkingDir("/www")
    .withTmpFs({ "/scratch": "rw" })
    .withLabels({ mine: "yes" })
    .withExposedPorts(8080)
    .withWaitStrategy(
      Wait.forAll([Wait.forHttp("/one.html", 8080), Wait.forListeningPorts(), Wait.forLogMessage("serving")]),
    )
    .start();
  const base = `http://${container.getHost()}:${container.getMappedPort(8080)}`;
  for (const [path, body] of [
    ["one.html", "first"],
    ["two.html", "second"],
    ["folder/two.html", "second"],
  ])
    assert.equal(await (await fetch(`${base}/${path}`)).text(), body);
  const ran = await container.exec(["sh", "-c", "echo $COLOUR; pwd; echo oops >&2; exit 3"]);
  assert.deepEqual([ran.exitCode, ran.stdout, ran.stderr], [3, "red\n/www\n", "oops\n"]);
  await container.copyContentToContainer([{ content: "late", target: "/www/late.html" }]);
  assert.equal(await (await fetch(`${base}/late.html`)).text(), "late");
  const archive = await container.copyArchiveFromContainer("/www/late.html");
  assert.match(await textOf(archive), /late/);
  assert.equal(container.getLabels().mine, "yes");
  const logs = await container.logs();
  const first = await new Promise((resolve) => logs.once("data", resolve));
  assert.match(String(first), /serving/);
  logs.destroy();
  await container.restart();
  await container.stop();
  rmSync(folder, { recursive: true });
});

test("wait strategies: health check, one-shot, shell command, and a start that fails", async () => {
  const healthy = await new GenericContainer(IMAGE)
    .withCommand(["sleep", "600"])
    .withHealthCheck({ test: ["CMD", "true"], interval: 200, timeout: 1000, retries: 5, startPeriod: 0 })
    .withWaitStrategy(Wait.forHealthCheck())
    .start();
  await healthy.stop();
  const once = await new GenericContainer(IMAGE)
    .withCommand(["sh", "-c", "echo done"])
    .withWaitStrategy(Wait.forOneShotStartup())
    .start();
  await once.stop();
  const shell = await new GenericContainer(IMAGE)
    .withCommand(["sh", "-c", "touch /ready; sleep 600"])
    .withWaitStrategy(Wait.forSuccessfulCommand("stat /ready"))
    .start();
  await shell.stop();
  await assert.rejects(
    new GenericContainer(IMAGE)
      .withCommand(["sh", "-c", "exit 1"])
      .withWaitStrategy(Wait.forLogMessage("never"))
      .withStartupTimeout(5000)
      .start(),
  );
  await assert.rejects(new GenericContainer("127.0.0.1:1/nothing:1").start());
});

test("containers on a network know each other by name", async () => {
  const network = await new Network().start();
  const server = await new GenericContainer(IMAGE)
    .withNetwork(network)
    .withNetworkAliases("web")
    .withCommand(["httpd", "-f", "-p", "8080", "-h", "/www"])
    .withCopyContentToContainer([{ content: "hello", target: "/www/index.html" }])
    .start();
  const client = await new GenericContainer(IMAGE).withNetwork(network).withCommand(["sleep", "600"]).start();
  assert.ok(client.getIpAddress(network.getName()));
  const { output } = await client.exec(["wget", "-q", "-O", "-", "http://web:8080/index.html"]);
  assert.equal(output, "hello");
  await client.stop();
  await server.stop();
  await network.stop();
});

test("a reused container is the same one", async () => {
  const make = () => new GenericContainer(IMAGE).withCommand(["sleep", "600"]).withReuse().start();
  const first = await make();
  const second = await make();
  assert.equal(first.getId(), second.getId());
  await second.stop();
});

test("an image built from a Dockerfile, and one committed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ply-tc-"));
  writeFileSync(
    join(folder, "Dockerfile"),
    `FROM ${IMAGE}\nARG WORD\nRUN echo $WORD > /built\nCMD ["sleep", "600"]\n`,
  );
  const image = await GenericContainer.fromDockerfile(folder).withBuildArgs({ WORD: "built" }).build();
  const container = await image.start();
  assert.equal((await container.exec(["cat", "/built"])).output, "built\n");
  const args = { WORD: "by BuildKit" };
  const other = await GenericContainer.fromDockerfile(folder).withBuildArgs(args).withBuildkit().build();
  await using second = await other.start();
  assert.equal((await second.exec(["cat", "/built"])).output, "by BuildKit\n");
  const committed = await container.commit({ repo: "committed", tag: "1", changes: ["ENV A=b"] });
  assert.match(committed, /^sha256:/);
  await container.stop();
  rmSync(folder, { recursive: true });
});

/** Left to the reaper, or to whoever else tidies up. */
test("what a test forgets", async () => {
  await new GenericContainer(IMAGE).withCommand(["sleep", "600"]).start();
  await new Network().start();
});
