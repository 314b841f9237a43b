import assert from "node:assert/strict";
import { isIP } from "node:net";
import { after, before, describe, test } from "node:test";
import { decode, encode } from "dns-packet";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { type Ran, until } from "../support/process.ts";

let engine: TestEngine;
/** The beginnings of two subnets that no other run on this host has, one that was killed included. */
const [BACK, BASE] = [0, 1].map((at) => `10.213.${(process.pid % 125) * 2 + at}`);

const docker = async (...args: string[]): Promise<string> => trimmed(await engine.docker(args), args);
const ply = async (...args: string[]): Promise<string> => trimmed(await engine.ply(args), args);

function trimmed({ code, stdout, stderr }: Ran, args: readonly string[]): string {
  assert.equal(code, 0, `${args.join(" ")}: ${stdout}${stderr}`);
  return stdout.trim();
}

const inside = (container: string, ...command: string[]) => docker("exec", container, ...command);

const start = (name: string, ...flags: string[]) =>
  docker("run", "-d", "--name", name, ...flags, "bb:1", "sleep", "1000");

/** Addresses by which a container knows a name, sorted; none when nobody knows it. */
async function lookup(container: string, name: string): Promise<string[]> {
  // Of an address, its name.
  const type = isIP(name) === 0 ? ["-type=a"] : [];
  const { stdout } = await engine.docker(["exec", container, "busybox", "nslookup", ...type, name]);
  const answer = stdout.split("\n\n").slice(1).join("\n");
  return [...answer.matchAll(/^Address(?: \d+)?: (\S+)$|name = (\S+)$/gm)]
    .map(([, address, of]) => address ?? of ?? "")
    .sort();
}

async function addressOn(container: string, network: string): Promise<string> {
  return docker("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container);
}

describe("names between containers", { skip: unless("root", "crun", "conmon", "docker", "nft") }, () => {
  before(async () => {
    engine = await startEngine();
    await importBusybox(engine);
  });
  after(() => engine[Symbol.asyncDispose]());

  test("on a network of users: names, aliases, ids, addresses; none on the others", async () => {
    await docker("network", "create", "app");
    await docker("network", "create", "--internal", "vault");
    const id = await start("db", "--network", "app", "--network-alias", "data", "--hostname", "store");
    await start("web", "--network", "app", "--link", "db:linked");
    await start("safe", "--network", "vault");
    const address = await addressOn("db", "app");
    for (const name of ["db", "DB", "data", "store", "linked", id.slice(0, 12), "db.app"])
      assert.deepEqual(await lookup("web", name), [address], name);
    assert.deepEqual(await lookup("web", address), ["db.app"]);
    assert.deepEqual(await lookup("db", "linked"), []);
    // A name that has no IPv6 address is not a name that is not there.
    const six = await engine.docker(["exec", "web", "busybox", "nslookup", "-type=aaaa", "db"]);
    assert.doesNotMatch(six.stdout + six.stderr, /NXDOMAIN|can't find/);
    assert.equal(
      await inside("web", "cat", "/etc/resolv.conf").then((text) => text.split("\n")[0]),
      "nameserver 127.0.0.11",
    );
    assert.match(await inside("web", "cat", "/etc/resolv.conf"), /^options .*ndots:0$/m);
    assert.match(await inside("db", "cat", "/etc/hosts"), new RegExp(`^${address}\\tstore$`, "m"));
    // What uses the C library's resolver finds it as well.
    assert.match(await inside("web", "busybox", "ping", "-c1", "-W5", "data"), / 0% packet loss/);
    for (const name of ["db", "web", "nobody"]) assert.deepEqual(await lookup("safe", name), [], name);
    const unknown = await engine.docker(["exec", "safe", "busybox", "nslookup", "-type=a", "nobody"]);
    assert.match(unknown.stdout + unknown.stderr, /NXDOMAIN/);
    assert.deepEqual(await lookup("safe", "safe"), [await addressOn("safe", "vault")]);
    const { DNSNames, Aliases } = JSON.parse(await docker("inspect", "db"))[0].NetworkSettings.Networks.app;
    assert.deepEqual([DNSNames, Aliases], [["db", id.slice(0, 12), "store", "data"], ["data"]]);
  });

  test("many of one name are all found; what comes and goes is known at once", async () => {
    const replicas = ["r1", "r2", "r3"];
    await Promise.all(replicas.map((name) => start(name, "--network", "app", "--network-alias", "replica")));
    const all = (await Promise.all(replicas.map((name) => addressOn(name, "app")))).sort();
    assert.deepEqual(await lookup("web", "replica"), all);
    await docker("rm", "-f", "r1");
    assert.equal((await lookup("web", "replica")).length, 2);
    await docker("rename", "r2", "second");
    assert.deepEqual(await lookup("web", "second"), await lookup("web", "second.app"));
    assert.deepEqual(await lookup("web", "r2"), []);
    await docker("rm", "-f", "second", "r3");
    assert.deepEqual(await lookup("web", "replica"), []);
  });

  test("connected to one more network while it runs, it knows and is known there, until it is disconnected", async () => {
    await docker("network", "create", "--subnet", `${BACK}.0/24`, "back");
    await docker("network", "connect", "--ip", `${BACK}.9`, "--alias", "front", "back", "web");
    const safe = JSON.parse(await docker("network", "inspect", "back"))[0].Containers;
    assert.deepEqual(
      Object.values(safe).map((each) => (each as { IPv4Address: string }).IPv4Address),
      [`${BACK}.9/24`],
    );
    await start("worker", "--network", "back");
    assert.deepEqual(await lookup("worker", "front"), [`${BACK}.9`]);
    assert.deepEqual(await lookup("web", "worker"), [await addressOn("worker", "back")]);
    assert.match(await inside("web", "cat", "/etc/hosts"), new RegExp(`^${BACK}.9\t`, "m"));
    await docker("network", "disconnect", "back", "web");
    assert.deepEqual(await lookup("worker", "front"), []);
    assert.deepEqual(await lookup("web", "worker"), []);
    assert.doesNotMatch(await inside("web", "cat", "/etc/hosts"), new RegExp(`${BACK}.9`));
    assert.deepEqual(await lookup("web", "db"), [await addressOn("db", "app")]);
    await docker("rm", "-f", "worker");
    await docker("network", "rm", "back");
  });

  test("on the default bridge: the host's servers, links in /etc/hosts; a network of users makes names known", async () => {
    await start("old", "--expose", "80", "-e", "SECRET=sesame");
    await start("linked", "--link", "old:elder", "--add-host", "host.docker.internal:host-gateway");
    assert.doesNotMatch(await inside("old", "cat", "/etc/resolv.conf"), /127\.0\.0\.11/);
    const hosts = await inside("linked", "cat", "/etc/hosts");
    assert.match(hosts, new RegExp(`^${await addressOn("old", "bridge")}\\telder [0-9a-f]{12} old$`, "m"));
    const address = await addressOn("old", "bridge");
    const told = [`ELDER_PORT=tcp://${address}:80`, "ELDER_NAME=/linked/elder", "ELDER_ENV_SECRET=sesame"];
    const first = (await inside("linked", "cat", "/proc/1/environ")).split("\0");
    const next = (await inside("linked", "busybox", "env")).split("\n");
    for (const env of [first, next])
      assert.deepEqual(
        told.filter((entry) => !env.includes(entry)),
        [],
      );
    const gateway = await docker("inspect", "-f", "{{.NetworkSettings.Gateway}}", "linked");
    assert.match(hosts, new RegExp(`^${gateway}\\thost\\.docker\\.internal$`, "m"));
    await docker("network", "connect", "app", "old");
    assert.match(await inside("old", "cat", "/etc/resolv.conf"), /^nameserver 127\.0\.0\.11$/m);
    assert.deepEqual(await lookup("old", "db"), [await addressOn("db", "app")]);
    assert.deepEqual(await lookup("db", "old"), [await addressOn("old", "app")]);
    await docker("rm", "-f", "old", "linked");
  });

  test("what is no container's is asked elsewhere: at the container's own servers, from its own network", async () => {
    const gateway = JSON.parse(await docker("network", "inspect", "app"))[0].IPAM.Config[0].Gateway as string;
    const asked: string[] = [];
    const server = await Bun.udpSocket({
      hostname: gateway,
      port: 53,
      socket: {
        data(socket, query, port, from) {
          const { id = 0, questions = [] } = decode(Buffer.from(query));
          const [question] = questions;
          asked.push(`${question?.type} ${question?.name} from ${from}`);
          const answers = [{ type: "A" as const, name: question?.name ?? "", ttl: 5, data: "192.0.2.77" }];
          socket.send(encode({ type: "response", id, flags: 0x180, questions, answers }), port, from);
        },
      },
    });
    try {
      await start("asker", "--network", "app", "--dns", gateway);
      assert.deepEqual(await lookup("asker", "outside.test"), ["192.0.2.77"]);
      // Who waits long for an answer asks again.
      assert.deepEqual([...new Set(asked)], [`A outside.test from ${await addressOn("asker", "app")}`]);
      assert.match(await inside("asker", "cat", "/etc/resolv.conf"), /^nameserver 127\.0\.0\.11$/m);
      assert.deepEqual(await lookup("asker", "db"), [await addressOn("db", "app")]);
    } finally {
      server.close();
    }
    await docker("rm", "-f", "asker");
  });

  test("names are known again after the engine was killed; port 53 is the container's own", async () => {
    await inside("db", "sh", "-c", "busybox nc -l -p 53 -e echo taken > /dev/null & echo");
    await engine.restart("SIGKILL");
    const address = await addressOn("db", "app");
    await until("names are known", async () => (await lookup("web", "data")).join() === address);
    assert.equal(await inside("web", "sh", "-c", "busybox nc -w 5 data 53 < /dev/null"), "taken");
  });

  test("docker network and ply network: what they say of mistakes, and what is in the way", async () => {
    const fails = async (client: "docker" | "ply", words: string[], says: RegExp) => {
      const { code, stderr } = await engine[client](words);
      assert.notEqual(code, 0, words.join(" "));
      assert.match(stderr, says, words.join(" "));
    };
    await fails(
      "docker",
      ["run", "--rm", "--link", "nobody:x", "bb:1", "true"],
      /could not get container for nobody/,
    );
    const onHost = await docker("run", "-d", "--network", "host", "bb:1", "sleep", "1000");
    assert.match(await docker("network", "inspect", "host"), new RegExp(onHost));
    await docker("rm", "-f", onHost);
    for (const client of ["docker", "ply"] as const) {
      await fails(client, ["network", "create", "app"], /network with name app already exists/);
      await fails(
        client,
        ["network", "create", "bridge"],
        /operation is not permitted on predefined bridge network|already exists/,
      );
      await fails(client, ["network", "create", "-d", "nosuch", "x"], /plugin "nosuch" not found/);
      await fails(client, ["network", "rm", "app"], /has active endpoints/);
      await fails(client, ["network", "rm", "host"], /host is a pre-defined network and cannot be removed/);
      await fails(client, ["network", "rm", "nobody"], /network nobody not found/);
      await fails(client, ["network", "connect", "app", "db"], /already exists in network app/);
      await fails(
        client,
        ["network", "disconnect", "vault", "db"],
        /is not connected to (the )?network vault/,
      );
      await fails(client, ["run", "--rm", "--network", "nobody", "bb:1", "true"], /network nobody not found/);
      await fails(
        client,
        ["run", "--rm", "--network", "app", "--ip", "1.2.3.4", "bb:1", "true"],
        /1\.2\.3\.4|subnet/,
      );
    }
    // A network that is but the configuration of others.
    await docker("network", "create", "--config-only", "--subnet", `${BASE}.0/24`, "base");
    await fails("docker", ["run", "--rm", "--network", "base", "bb:1", "true"], /base/);
    await docker("network", "create", "--config-from", "base", "derived");
    assert.match(
      await docker("run", "--rm", "--network", "derived", "bb:1", "cat", "/etc/hosts"),
      new RegExp(`^${BASE}.`, "m"),
    );
    await fails("docker", ["network", "rm", "base"], /configuration network "base" is in use/);
    await docker("network", "rm", "derived", "base");
    const names = async (...words: string[]) =>
      (await docker("network", "ls", "--format", "{{.Name}}", ...words)).split("\n").sort();
    assert.deepEqual(await names(), ["app", "bridge", "host", "none", "vault"]);
    assert.deepEqual(await names("--filter", "type=custom"), ["app", "vault"]);
    assert.deepEqual(await names("--filter", "driver=bridge", "--filter", "name=p"), ["app"]);
    assert.deepEqual(await names("--filter", "dangling=true"), [""]);
    await ply("network", "create", "--label", "x=y", "idle");
    assert.deepEqual(await names("--filter", "label=x=y"), ["idle"]);
    assert.deepEqual(await names("--filter", "dangling=true"), ["idle"]);
    const listed = await ply("ps", "--filter", "network=app", "--format", "{{.Names}}");
    assert.deepEqual(listed.split("\n").sort(), ["db", "web"]);
    assert.equal(await docker("network", "prune", "-f"), "Deleted Networks:\nidle");
    assert.equal(await ply("network", "inspect", "-f", "{{.Internal}}", "vault"), "true");
  });

  test("published ports: ply's on loopback alone, docker's everywhere; in ps, port and inspect", async () => {
    const sleep = ["bb:1", "sleep", "1000"];
    const id = await ply(
      "run",
      "-d",
      "--name",
      "pub",
      "-p",
      "80",
      "-p",
      "0.0.0.0::81",
      "--expose",
      "443",
      ...sleep,
    );
    const bindings = JSON.parse(await docker("inspect", "-f", "{{json .NetworkSettings.Ports}}", "pub"));
    assert.deepEqual(Object.keys(bindings).sort(), ["443/tcp", "80/tcp", "81/tcp"]);
    assert.equal(bindings["443/tcp"], null);
    const [own] = bindings["80/tcp"];
    const [open] = bindings["81/tcp"];
    assert.deepEqual([bindings["80/tcp"].length, own.HostIp, open.HostIp], [1, "127.0.0.1", "0.0.0.0"]);
    assert.equal(
      await ply("ps", "--filter", `id=${id}`, "--format", "{{.Ports}}"),
      `0.0.0.0:${open.HostPort}->81/tcp, 127.0.0.1:${own.HostPort}->80/tcp, 443/tcp`,
    );
    assert.equal(await docker("port", "pub", "80"), `127.0.0.1:${own.HostPort}`);
    assert.equal(await ply("port", "pub", "80"), `127.0.0.1:${own.HostPort}`);
    for (const filter of ["expose=443", "expose=400-500/tcp", `publish=${own.HostPort}`])
      assert.equal(await docker("ps", "-q", "--no-trunc", "--filter", filter), id, filter);
    assert.equal(await docker("ps", "-q", "--filter", "publish=1-2"), "");
    await ply("rm", "-f", "pub");
    await ply(
      "run",
      "-d",
      "--name",
      "all",
      "--network",
      "bridge",
      "--network",
      "app",
      "-P",
      "--expose",
      "80",
      ...sleep,
    );
    assert.match(await docker("port", "all"), /^80\/tcp -> 127\.0\.0\.1:\d+$/);
    assert.deepEqual(await lookup("all", "db"), [await addressOn("db", "app")]);
    await ply("rm", "-f", "all");
    await docker("run", "-d", "--name", "all", "-P", "--expose", "80", ...sleep);
    assert.match(await docker("port", "all"), /^80\/tcp -> 0\.0\.0\.0:\d+$/m);
    await docker("rm", "-f", "all");
  });
});
