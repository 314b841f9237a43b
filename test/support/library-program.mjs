/** What a program does with the library; plain JavaScript, so that every runtime takes it. Prints JSON. */
import { readFileSync } from "node:fs";
import { BuildError, connectEngine, isPlyError, startEngine } from "ply";

const [what, rootfs, host] = process.argv.slice(2);
const say = (value) => console.log(JSON.stringify(value));

async function importImage(client) {
  async function* tar() {
    yield readFileSync(rootfs);
  }
  await client.images.import(tar(), { name: "bb:1", changes: ['CMD ["sh"]'] });
}

async function life() {
  const engine = await startEngine();
  const { client } = engine;
  say({ socketPath: engine.socketPath, pid: engine.pid });
  await importImage(client);
  const command = ["sh", "-c", "echo out; echo err >&2; exit 3"];
  say(await client.containers.output({ image: "bb:1", network: "none", command }));

  const container = await client.containers.run({
    image: "bb:1",
    name: "reader",
    network: "none",
    stdin: true,
    labels: { team: "red" },
    command: ["sh", "-c", "echo ready; read line; echo got $line; sleep 600"],
  });
  say(await container.waitForLog("ready"));
  const streams = await container.attach();
  await streams.write("hello\n");
  say(await container.waitForLog(/^got/));
  streams.destroy();
  const env = { GREETING: "hi" };
  say(await container.exec(["sh", "-c", "echo $GREETING; id -u; exit 4"], { env, user: "7" }));
  await container.copyInto("/", { "run.sh": { content: "#!/bin/sh\necho ran", mode: 0o755 } });
  say((await container.exec(["/run.sh"])).stdout);
  const parts = [];
  for await (const chunk of await container.copyFrom("/run.sh")) parts.push(chunk);
  say(Buffer.concat(parts).includes("echo ran"));
  say((await client.containers.list({ filters: { label: ["team=red"] } })).map(({ Names }) => Names[0]));

  const volume = await client.volumes.create({ name: "data" });
  say((await volume.inspect()).Name);
  await volume[Symbol.asyncDispose]();
  for (const refused of [
    () => client.images.pull("127.0.0.1:1/nothing"),
    () => client.images.inspect("nothing"),
    () => volume.inspect(),
    () => container.start().then(() => client.containers.create({ image: "bb:1", name: "reader" })),
  ]) {
    const error = await refused().catch((reason) => reason);
    say([isPlyError(error), error.kind, error.details.status]);
  }
  const events = await client.events({
    since: new Date(0),
    until: new Date(),
    filters: { event: ["create"] },
  });
  let created = 0;
  for await (const { Type } of events) if (Type === "container") created++;
  say(created);
  const name = `${host}/team/app:1`;
  await client.images.tag("bb:1", name);
  const pushed = await client.images.push(name);
  await client.images.remove(name);
  let steps = 0;
  const pulled = await client.images.pull(name, { onProgress: () => steps++ });
  say([pulled.digest === pushed.digest, pulled.name === name, steps > 0]);

  const context = {
    Dockerfile: "FROM bb:1\nCOPY data /data\nARG FAIL\nRUN cat /data; $FAIL\n",
    data: "built ",
  };
  const built = await client.images.build({ context, tags: ["built:1"] });
  say(built.names);
  const failed = await client.images
    .build({ context, buildArgs: { FAIL: "exit 7" } })
    .catch((reason) => reason);
  say([failed instanceof BuildError, failed.line, failed.exitCode, failed.output]);
  await engine.close();
}

async function hold() {
  const engine = await startEngine();
  await importImage(engine.client);
  const { id } = await engine.client.containers.run({
    image: "bb:1",
    network: "none",
    command: ["sleep", "600"],
  });
  const { State } = await engine.client.containers.get(id).inspect();
  say({ socketPath: engine.socketPath, pid: engine.pid, container: State.Pid });
  await new Promise((resolve) => setTimeout(resolve, 600_000));
}

async function session() {
  const session = await connectEngine({ host });
  const { client } = session;
  await client.volumes.create({ name: "mine" });
  const mounts = ["made-on-the-way:/data"];
  await client.containers.run({
    image: "bb:1",
    network: "none",
    name: "mine",
    mounts,
    command: ["sleep", "600"],
  });
  await client.images.tag("bb:1", "mine:1");
  say({ id: session.id, socketPath: session.socketPath });
  if (process.argv[5] === "close") await session.close();
  else await new Promise((resolve) => setTimeout(resolve, 600_000));
}

await { life, hold, session }[what]();
