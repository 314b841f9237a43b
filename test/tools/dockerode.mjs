/** dockerode as its users have it, against the engine in DOCKER_HOST. Image: bb:1; REGISTRY: a registry. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { after, test } from "node:test";
import Docker from "dockerode";

const docker = new Docker({ socketPath: process.env.DOCKER_HOST.replace("unix://", "") });
const done = (stream) =>
  new Promise((resolve, reject) =>
    docker.modem.followProgress(stream, (error, lines) => (error ? reject(error) : resolve(lines))),
  );
const status = (promise) =>
  promise.then(
    () => assert.fail("no error"),
    (error) => error.statusCode,
  );
const container = await docker.createContainer({
  name: "rode",
  Image: "bb:1",
  Cmd: ["sh", "-c", "echo hello; cat; sleep 600"],
  OpenStdin: true,
  StdinOnce: true,
  Labels: { made: "by-dockerode" },
  ExposedPorts: { "8080/tcp": {} },
  HostConfig: { PortBindings: { "8080/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] } },
});
after(() => container.remove({ force: true, v: true }));

test("the engine", async () => {
  assert.equal(String(await docker.ping()), "OK");
  assert.equal((await docker.version()).Os, "linux");
  assert.equal((await docker.info()).OSType, "linux");
  assert.ok(Array.isArray((await docker.df()).Images));
});

test("attach, start, write, logs", async () => {
  const stream = await container.attach({
    stream: true,
    stdin: true,
    stdout: true,
    stderr: true,
    hijack: true,
  });
  const out = new PassThrough();
  container.modem.demuxStream(stream, out, new PassThrough());
  await container.start();
  assert.equal(await status(container.start()), 304);
  stream.write("typed\n");
  let seen = "";
  for await (const chunk of out) {
    seen += chunk;
    if (seen.includes("typed")) break;
  }
  assert.equal(seen, "hello\ntyped\n");
  stream.destroy();
  assert.match(String(await container.logs({ stdout: true })), /hello\n/);
});

test("inspect, list, top, stats, changes, update, rename, pause", async () => {
  const inspected = await container.inspect();
  assert.equal(inspected.State.Running, true);
  assert.match(inspected.NetworkSettings.Ports["8080/tcp"][0].HostPort, /^\d+$/);
  const [listed] = await docker.listContainers({ filters: { label: ["made=by-dockerode"] } });
  assert.equal(listed.Id, container.id);
  assert.equal(listed.Ports[0].PrivatePort, 8080);
  assert.ok((await container.top()).Processes.length > 0);
  assert.ok((await container.stats({ stream: false })).memory_stats.usage > 0);
  await container.update({ Memory: 64 << 20, MemorySwap: 64 << 20 });
  assert.equal((await container.inspect()).HostConfig.Memory, 64 << 20);
  await container.rename({ name: "renamed" });
  await container.pause();
  assert.equal((await container.inspect()).State.Status, "paused");
  await container.unpause();
});

test("exec with and without a terminal", async () => {
  const exec = await container.exec({
    Cmd: ["cat"],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true });
  const out = new PassThrough();
  docker.modem.demuxStream(stream, out, new PassThrough());
  stream.on("end", () => out.end());
  stream.end("through cat");
  assert.equal(await text(out), "through cat");
  assert.equal((await exec.inspect()).ExitCode, 0);
  const tty = await container.exec({
    Cmd: ["sh", "-c", "test -t 0 && echo terminal"],
    AttachStdout: true,
    Tty: true,
  });
  assert.equal(await text(await tty.start({ Tty: true })), "terminal\r\n");
});

test("archives in and out, export, commit", async () => {
  const pack = await container.getArchive({ path: "/etc/passwd" });
  const archive = await buffer(pack);
  await container.putArchive(archive, { path: "/tmp" });
  const head = await container.infoArchive({ path: "/tmp/passwd" });
  assert.equal(
    JSON.parse(Buffer.from(head.headers["x-docker-container-path-stat"], "base64")).name,
    "passwd",
  );
  head.resume();
  assert.equal(await status(container.getArchive({ path: "/nowhere" })), 404);
  assert.ok((await buffer(await container.export())).length > 1 << 20);
  assert.ok((await container.changes()).some(({ Path }) => Path === "/tmp/passwd"));
  const { Id } = await container.commit({ repo: "rode", tag: "1", comment: "by dockerode" });
  assert.equal((await docker.getImage("rode:1").inspect()).Id, Id);
  await docker.getImage("rode:1").remove();
});

test("images: tag, push, remove, pull, history, save, load, build", async () => {
  const name = `${process.env.REGISTRY}/rode/bb`;
  await docker.getImage("bb:1").tag({ repo: name, tag: "1" });
  await done(await docker.getImage(`${name}:1`).push({ authconfig: {} }));
  await docker.getImage(`${name}:1`).remove();
  const lines = await done(await docker.pull(`${name}:1`));
  assert.match(lines.at(-1).status, /^Status: /);
  await assert.rejects(docker.pull(`${process.env.REGISTRY}/nothing:1`).then(done));
  assert.ok((await docker.getImage(`${name}:1`).history()).length > 0);
  const saved = await buffer(await docker.getImage(`${name}:1`).get());
  await done(await docker.loadImage(saved));
  assert.ok((await docker.listImages({ filters: { reference: [`${name}:1`] } })).length === 1);
  const { pack } = await import("tar-stream");
  const context = pack();
  context.entry({ name: "Dockerfile" }, "FROM bb:1\nRUN echo built > /built\nLABEL by=dockerode\n");
  context.finalize();
  const built = await done(await docker.buildImage(context, { t: "rode:built" }));
  assert.ok(built.some(({ stream }) => stream?.includes("Successfully built")));
  assert.equal((await docker.getImage("rode:built").inspect()).Config.Labels.by, "dockerode");
  assert.equal(await status(docker.getImage("nothing").inspect()), 404);
});

test("run to the end, volumes, networks, events, prune", async () => {
  const out = new PassThrough();
  const [{ StatusCode }, ran] = await docker.run("bb:1", ["sh", "-c", "echo ran; exit 4"], out);
  assert.equal(StatusCode, 4);
  await ran.remove();
  const volume = await docker.createVolume({ Name: "rode" });
  assert.equal((await volume.inspect()).Name, "rode");
  const network = await docker.createNetwork({ Name: "rode", CheckDuplicate: true });
  await network.connect({ Container: container.id, EndpointConfig: { Aliases: ["alias"] } });
  assert.ok((await network.inspect()).Containers[container.id]);
  await network.disconnect({ Container: container.id, Force: true });
  await network.remove();
  await volume.remove();
  const events = await docker.getEvents({
    since: 0,
    until: Math.ceil(Date.now() / 1000),
    filters: { type: ["volume"] },
  });
  assert.match(await text(events), /"Action":"destroy"/);
  for (const prune of ["pruneContainers", "pruneVolumes", "pruneNetworks", "pruneImages"])
    await docker[prune]();
  await container.stop({ t: 0 });
  assert.equal((await container.wait()).StatusCode > 0, true);
});
