import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, afterEach, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { openTestNetwork, PATIENCE, type TestNetwork } from "../support/network.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { exited, run, until } from "../support/process.ts";

let net: TestNetwork;
let engine: TestEngine;

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(args, { timeoutMs: 30_000 });
  assert.equal(code, 0, `docker ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout.trim();
}

/** A container that answers with its own name on port 80 (and, in the language of `nc`, on UDP port 53). */
async function web(name: string, ...flags: string[]): Promise<void> {
  const serve = `mkdir -p /www && echo ${name} > /www/index.html && exec busybox httpd -f -p [::]:80 -h /www`;
  await docker("run", "-d", "--name", name, ...flags, "bb:1", "sh", "-c", serve);
  await until(`${name} serves`, async () => (await fromInside(name, "127.0.0.1")) === name);
}

const pidOf = (container: string): Promise<string> => docker("inspect", "-f", "{{.State.Pid}}", container);

/** Starts a program of the host's in the network of a container's process. */
const spawnWithin = (pid: string, command: string, ...args: string[]) =>
  spawn("nsenter", [`--net=/proc/${pid}/ns/net`, "--", command, ...args], { stdio: "ignore" });

/** Runs one to its end. */
const within = async (container: string, command: string, ...args: string[]) =>
  run("nsenter", [`--net=/proc/${await pidOf(container)}/ns/net`, "--", command, ...args]);

/** A web server that tells its clients who they are. */
const SAYS_WHO = `import socket
s=socket.create_server(("::",7000),family=socket.AF_INET6,dualstack_ipv6=True)
while 1:
 c,a=s.accept()
 c.recv(999)
 c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n"+a[0].encode())
 c.close()`;

const UDP_SOCKET = "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n";

/** What a web server answers to a container; "" for nothing. */
async function fromInside(container: string, address: string): Promise<string> {
  const { stdout } = await within(container, "curl", "-sg", ...PATIENCE, `http://${address}/`);
  return stdout.trim();
}

const addressOn = (container: string, network: string): Promise<string> =>
  docker("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container);

describe("networks", {
  skip: unless("root", "crun", "conmon", "docker", "nft", "ip", "nsenter", "curl"),
}, () => {
  before(async () => {
    net = await openTestNetwork();
    engine = await startEngine({ netns: net.hostPath });
    await importBusybox(engine);
  });
  afterEach(async () => {
    const ids = (await docker("ps", "-aq")).split("\n").filter((id) => id !== "");
    if (ids.length > 0) await docker("rm", "-f", ...ids);
    await docker("network", "prune", "-f");
  });
  after(async () => {
    try {
      await engine?.[Symbol.asyncDispose]();
      // Nothing of an engine that has ended is left on its host, once the kernel has cleared up behind containers.
      assert.equal(await net.host.must("nft", "list", "tables"), "");
      await until(
        "its devices are gone",
        async () => !/ply|br-|veth/.test(await net.host.must("ip", "-brief", "link")),
      );
    } finally {
      await net?.[Symbol.asyncDispose]();
    }
  });

  test("a published port answers to everybody: this host, its neighbours, containers, by IPv4 and IPv6", async () => {
    await web("one", "-p", "8080:80");
    await web("other");
    const { host, outside } = net;
    for (const address of ["127.0.0.1", "localhost", "[::1]", host.ipv4, `[${host.ipv6}]`])
      assert.equal(await host.get(`${address}:8080`), "one", `from the host at ${address}`);
    for (const address of [host.ipv4, `[${host.ipv6}]`])
      assert.equal(await outside.get(`${address}:8080`), "one", `from outside at ${address}`);
    const gateway = await docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge");
    for (const from of ["other", "one"])
      for (const address of [host.ipv4, gateway])
        assert.equal(await fromInside(from, `${address}:8080`), "one", `from ${from} at ${address}`);
    assert.equal(await fromInside("other", await addressOn("one", "bridge")), "one");
    assert.equal(await docker("port", "one"), "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080");
    // Not by a neighbour that knows where it is.
    await outside.must("ip", "route", "add", "172.16.0.0/12", "via", host.ipv4);
    assert.match(await outside.get(await addressOn("one", "bridge")), /^error/);
    await docker("rm", "-f", "one", "other");
    assert.match(await host.get("127.0.0.1:8080"), /^error 7/);
  });

  test("what is published on the loopback address stays there; ranges, UDP and ports of the host's choice", async () => {
    const { host, outside } = net;
    await web("home", "-p", "127.0.0.1:8081:80", "-p", "80", "-p", "9000-9001:80-81", "-p", "5353:53/udp");
    assert.equal(await host.get("127.0.0.1:8081"), "home");
    assert.match(await outside.get(`${host.ipv4}:8081`), /^error/);
    await outside.must("ip", "route", "add", "127.0.0.2/32", "via", host.ipv4);
    assert.equal(await host.get("127.0.0.1:9000"), "home");
    const random = (await docker("port", "home", "80/tcp"))
      .split("\n")
      .map((line) => line.replace(/.*:/, ""));
    for (const port of random.filter((each) => each !== "8081"))
      assert.equal(await outside.get(`${host.ipv4}:${port}`), "home");
    const [from, to] = ["('',53)", `('${host.ipv4}',5354)`];
    const echo = `s.bind(${from})\nwhile 1:\n m,a=s.recvfrom(9)\n s.sendto(m+b'!',a)`;
    // A client that was there before the port, from one port all the time: its flow must not stay what it was.
    const early = `s.bind(('',7777))\ns.sendto(b'early',('${host.ipv4}',5354))`;
    await outside.must("python3", "-c", `${UDP_SOCKET}${early}`);
    await web("late", "-p", "5354:53/udp");
    const server = spawnWithin(await pidOf("late"), "python3", "-c", `${UDP_SOCKET}${echo}`);
    try {
      await until("a datagram is answered", async () => {
        const ask = `s.bind(('',7777))\ns.settimeout(1)\ns.sendto(b'ping',${to})\nprint(s.recvfrom(9)[0])`;
        return (await outside.run("python3", "-c", `${UDP_SOCKET}${ask}`)).stdout.trim() === "b'ping!'";
      });
    } finally {
      server.kill("SIGKILL");
      await exited(server);
    }
  });

  test("a taken port is a clear error and leaves nothing behind", async () => {
    await web("first", "-p", "8080:80");
    const second = await engine.docker([
      "run",
      "-d",
      "--name",
      "second",
      "-p",
      "8080:80",
      "bb:1",
      "sleep",
      "9",
    ]);
    assert.equal(second.code, 125);
    assert.match(
      second.stderr,
      /driver failed programming external connectivity on endpoint second \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated/,
    );
    assert.equal(await docker("inspect", "-f", "{{.State.Status}}", "second"), "created");
    const taken = await engine.docker([
      "run",
      "-d",
      "--name",
      "third",
      "-p",
      "8082:80",
      "-p",
      "8080:81",
      "bb:1",
      "sleep",
      "9",
    ]);
    assert.equal(taken.code, 125);
    assert.match(await net.host.get("127.0.0.1:8082"), /^error 7/);
    assert.equal(await net.host.get("127.0.0.1:8080"), "first");
    assert.equal(await docker("network", "inspect", "-f", "{{len .Containers}}", "bridge"), "1");
    await docker("rm", "-f", "first");
    await docker("start", "second");
    assert.equal(await docker("port", "second"), "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080");
  });

  test("containers reach the world in the host's name; networks are apart; internal ones have no way out", async () => {
    const { host, outside } = net;
    await docker("network", "create", "--ipv6", "red");
    await docker("network", "create", "blue");
    await docker("network", "create", "--internal", "vault");
    await docker("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "strangers");
    await web("red1", "--network", "red", "-p", "8080:80");
    await web("blue1", "--network", "blue");
    for (const name of ["vault1", "vault2"]) await web(name, "--network", "vault");
    for (const name of ["stranger1", "stranger2"]) await web(name, "--network", "strangers");

    const who = spawn("nsenter", [`--net=${net.outsidePath}`, "--", "python3", "-c", SAYS_WHO], {
      stdio: "ignore",
    });
    const seen = (address: string) => fromInside("red1", `${address}:7000`);
    await until("the outside answers", async () => (await outside.get("[::1]:7000")) === "::1");
    assert.match(await seen(outside.ipv4), new RegExp(host.ipv4.replaceAll(".", "\\.")));
    assert.match(await seen(`[${outside.ipv6}]`), new RegExp(host.ipv6));

    assert.equal(await fromInside("blue1", await addressOn("red1", "red")), "");
    assert.equal(await fromInside("blue1", `${host.ipv4}:8080`), "red1", "a published port is for all");
    assert.equal(await fromInside("vault1", await addressOn("vault2", "vault")), "vault2");
    assert.equal(await fromInside("vault1", `${outside.ipv4}:7000`), "");
    assert.equal(await fromInside("vault1", await addressOn("red1", "red")), "");
    assert.equal(await fromInside("stranger1", await addressOn("stranger2", "strangers")), "");
    assert.equal(
      await docker("exec", "vault1", "busybox", "ip", "route").then((text) => text.includes("default")),
      false,
    );
    who.kill("SIGKILL");
    await exited(who);

    // One foot on each network, while it runs.
    await docker("network", "connect", "blue", "red1");
    assert.equal(await fromInside("blue1", await addressOn("red1", "blue")), "red1");
    await docker("network", "disconnect", "red", "red1");
    assert.equal(await host.get("127.0.0.1:8080"), "red1", "ports follow the way to the world");
  });

  test("rules that somebody flushed are put back", async () => {
    await web("kept", "-p", "8080:80");
    await net.host.must("nft", "flush", "ruleset");
    await until(
      "the port answers again",
      async () => (await net.outside.get(`${net.host.ipv4}:8080`)) === "kept",
    );
    await until("the rules are back", async () => (await net.host.must("nft", "list", "tables")) !== "");
  });

  test("where the host's rules drop what comes in, they decide about published ports", async () => {
    const { host, outside } = net;
    await web("guarded", "-p", "8080:80");
    const policy = "{ type filter hook input priority 0; policy drop; }";
    const allowed =
      'add rule inet mine in iifname "lo" accept; add rule inet mine in ct state established accept';
    await host.must("nft", `add table inet mine; add chain inet mine in ${policy}; ${allowed}`);
    await until("the port is shut", async () => (await outside.get(`${host.ipv4}:8080`)).startsWith("error"));
    assert.equal(await host.get("127.0.0.1:8080"), "guarded");
    await host.must("nft", "add rule inet mine in tcp dport 8080 accept");
    assert.equal(await outside.get(`${host.ipv4}:8080`), "guarded");
    await host.must("nft", "delete table inet mine");
    await until(
      "the kernel passes it on again",
      async () => (await host.must("nft", "list", "ruleset")).includes("meta l4proto tcp return") === false,
    );
    assert.equal(await outside.get(`${host.ipv4}:8080`), "guarded");
  });

  test("two engines on one host take different subnets and leave each other alone", async () => {
    await using second = await startEngine({ netns: net.hostPath });
    await importBusybox(second);
    await web("mine", "-p", "8080:80");
    const gatewayOf = async (from: TestEngine) => {
      const format = "{{(index .IPAM.Config 0).Gateway}}";
      return (await from.docker(["network", "inspect", "-f", format, "bridge"])).stdout.trim();
    };
    const ran = await second.docker(["run", "--rm", "bb:1", "busybox", "ip", "route"]);
    assert.ok(ran.stdout.includes(`default via ${await gatewayOf(second)} `), ran.stdout + ran.stderr);
    assert.notEqual(await gatewayOf(engine), await gatewayOf(second));
    const taken = await second.docker(["run", "--rm", "-p", "8080:80", "bb:1", "true"]);
    assert.match(
      taken.stderr,
      /failed to bind host port for 0\.0\.0\.0:8080:.*:80\/tcp: address already in use/,
    );
    await second.kill("SIGTERM");
    assert.equal(await net.outside.get(`${net.host.ipv4}:8080`), "mine");
    await second.start();
  });

  test("addresses: static ones stay, none is given twice, MACs follow; an engine that was killed goes on", async () => {
    const { host, outside } = net;
    await docker(
      "network",
      "create",
      "--subnet",
      "10.77.0.0/24",
      "--ip-range",
      "10.77.0.128/30",
      "--aux-address",
      "printer=10.77.0.129",
      "lab",
    );
    await web("fixed", "--network", "lab", "--ip", "10.77.0.9", "-p", "8080:80");
    await web("loose", "--network", "lab", "--mac-address", "02:00:00:00:00:07");
    assert.equal(await addressOn("loose", "lab"), "10.77.0.128");
    assert.match(await docker("exec", "loose", "busybox", "ip", "link", "show", "eth0"), /02:00:00:00:00:07/);
    assert.match(await docker("exec", "fixed", "busybox", "ip", "link", "show", "eth0"), /02:42:0a:4d:00:09/);
    const twice = await engine.docker([
      "run",
      "--rm",
      "--network",
      "lab",
      "--ip",
      "10.77.0.9",
      "bb:1",
      "true",
    ]);
    assert.match(twice.stderr, /Address already in use/);
    const outsider = await engine.docker([
      "run",
      "--rm",
      "--network",
      "lab",
      "--ip",
      "10.78.0.9",
      "bb:1",
      "true",
    ]);
    assert.match(outsider.stderr, /no configured subnet contains IP address 10\.78\.0\.9/);
    await docker("restart", "-t", "0", "fixed");
    assert.equal(await addressOn("fixed", "lab"), "10.77.0.9");

    const loose = await pidOf("loose");
    await engine.kill("SIGKILL");
    assert.equal(await outside.get(`${host.ipv4}:8080`), "fixed", "while there is no engine");
    process.kill(Number(loose), "SIGKILL");
    await engine.start();
    assert.equal(await outside.get(`${host.ipv4}:8080`), "fixed", "with the next engine");
    assert.equal(await host.get("[::1]:8080"), "fixed");
    assert.equal((await engine.docker(["run", "-d", "-p", "8080:80", "bb:1", "sleep", "9"])).code, 125);
    // What belonged to the one that ended meanwhile is free.
    await until(
      "the other's end is known",
      async () => (await docker("inspect", "-f", "{{.State.Running}}", "loose")) === "false",
    );
    await web("next", "--network", "lab");
    assert.equal(await addressOn("next", "lab"), "10.77.0.128");
    assert.equal(await fromInside("next", "10.77.0.9"), "fixed");
  });

  test("macvlan: a container is a neighbour of its own; host, none and another's network", async () => {
    await docker(
      "network",
      "create",
      "-d",
      "macvlan",
      "-o",
      "parent=up0",
      "--subnet",
      "203.0.113.0/24",
      "--gateway",
      "203.0.113.1",
      "lan",
    );
    await web("near", "--network", "lan", "--ip", "203.0.113.50");
    assert.equal(await net.outside.get("203.0.113.50"), "near");
    await docker("rm", "-f", "near");
    await docker("network", "rm", "lan");

    await web("owner", "-p", "8080:80");
    const shared = await docker(
      "run",
      "--rm",
      "--network",
      "container:owner",
      "bb:1",
      "busybox",
      "ip",
      "-o",
      "address",
    );
    assert.match(shared, new RegExp(`${await addressOn("owner", "bridge")}/`));
    const links = (mode: string) => docker("run", "--rm", "--network", mode, "bb:1", "busybox", "ip", "link");
    assert.match(await links("host"), /up0/);
    assert.doesNotMatch(await links("none"), /eth0|up0/);
  });
});
