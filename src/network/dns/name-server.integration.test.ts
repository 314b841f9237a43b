import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { type Answer, decode, encode, type RecordType, TRUNCATED_RESPONSE } from "dns-packet";
import { unless } from "../../../test/support/needs.ts";
import { createNetworkNamespace, type NetworkNamespace } from "../../linux/index.ts";
import type { Endpoint } from "../attachment.ts";
import { type OpenNameServer, openNameServer } from "./open-name-server.ts";
import { redirectNames } from "./redirect.ts";
import { createFrames, frame } from "./tcp-frame.ts";

/** A container of nothing but a network namespace with a loopback device. */
interface Place extends Disposable {
  readonly id: string;
  readonly namespace: NetworkNamespace;
}

function makePlace(id: string): Place {
  const namespace = createNetworkNamespace();
  execFileSync("nsenter", [`--net=${namespace.path}`, "ip", "link", "set", "lo", "up"]);
  return { id, namespace, [Symbol.dispose]: () => namespace[Symbol.dispose]() };
}

function endpoint(id: string, address: string, names: string[], more: Partial<Endpoint> = {}): Endpoint {
  const ipv6 = address.includes(":");
  const own = { address, prefix: 24, gateway: null };
  return {
    id: "e",
    networkId: "n1",
    networkName: "net1",
    containerId: id,
    containerName: names[0] ?? id,
    device: "eth0",
    mac: "",
    ipv4: ipv6 ? null : own,
    ipv6: ipv6 ? own : null,
    names,
    options: { network: "net1" },
    ...more,
  };
}

const SERVER = { hostname: "127.0.0.11", port: 53 };

/** The answer to one query that is asked within a namespace. */
async function ask(
  { namespace }: Place,
  name: string,
  type: RecordType,
  { tcp = false, udpSize = 0, server = SERVER } = {},
) {
  const additionals: Answer[] =
    udpSize === 0
      ? []
      : [
          {
            type: "OPT",
            name: ".",
            udpPayloadSize: udpSize,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ];
  const query = encode({
    type: "query",
    id: 77,
    flags: 256,
    questions: [{ type, name, class: "IN" }],
    additionals,
  });
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    namespace.run(() => {
      if (tcp) {
        const frames = createFrames();
        void Bun.connect({
          ...server,
          socket: {
            open: (socket) => void socket.write(frame(query)),
            data(socket, chunk) {
              const [message] = frames(chunk);
              if (message === undefined) return;
              socket.end();
              resolve(Buffer.from(message));
            },
            connectError: (_, error) => reject(error),
          },
        });
      } else
        void Bun.udpSocket({
          connect: server,
          socket: {
            data(socket, data) {
              socket.close();
              resolve(Buffer.from(data));
            },
            error: (_, error) => reject(error),
          },
        }).then((socket) => socket.send(query), reject);
    });
  });
  const packet = decode(bytes);
  const answers = (packet.answers ?? []).map((answer) => ("data" in answer ? String(answer.data) : ""));
  return {
    rcode: (bytes[3] ?? 0) & 15,
    answers,
    truncated: ((packet.flags ?? 0) & TRUNCATED_RESPONSE) !== 0,
    packet,
    bytes,
  };
}

describe("the name server in containers' networks", { skip: unless("root", "ip") }, () => {
  let server: OpenNameServer;
  let web: Place;
  let db: Place;
  const serve = (place: Place, endpoints: Endpoint[]) => {
    server.serve({ containerId: place.id, netnsPath: place.namespace.path, endpoints, ports: [] });
    return server.ready(place.id);
  };
  before(async () => {
    server = openNameServer({ isInternal: (id) => id === "inner" });
    web = makePlace("web");
    db = makePlace("db");
    server.setServers("web", ["127.0.0.1"]);
    await serve(web, [
      endpoint("web", "10.9.0.2", ["web", "www"], { options: { network: "net1", links: ["db:store"] } }),
    ]);
    await serve(db, [endpoint("db", "10.9.0.3", ["db", "data"])]);
  });
  after(() => {
    server[Symbol.dispose]();
    web[Symbol.dispose]();
    db[Symbol.dispose]();
  });

  test("names, aliases, links, reverse names, over UDP and TCP", async () => {
    for (const tcp of [false, true]) {
      for (const name of ["db", "DB.", "data", "db.net1", "store"])
        assert.deepEqual((await ask(web, name, "A", { tcp })).answers, ["10.9.0.3"], name);
      assert.deepEqual((await ask(db, "www", "A", { tcp })).answers, ["10.9.0.2"]);
      assert.deepEqual((await ask(db, "2.0.9.10.in-addr.arpa", "PTR", { tcp })).answers, ["web.net1"]);
      const none = await ask(web, "db", "AAAA", { tcp });
      assert.deepEqual([none.rcode, none.answers], [0, []]);
    }
  });

  test("a link is its container's own, and an internal network asks nobody", async () => {
    using inner = makePlace("inner");
    await serve(inner, [
      endpoint("inner", "10.8.0.2", ["inner"], { networkId: "inner", networkName: "hidden" }),
    ]);
    assert.deepEqual((await ask(inner, "inner", "A")).answers, ["10.8.0.2"]);
    assert.equal((await ask(inner, "db", "A")).rcode, 3);
    assert.equal((await ask(inner, "example.com", "A")).rcode, 2);
    server.stop("inner");
  });

  test("on the default bridge nobody has a name", async () => {
    using one = makePlace("one");
    using two = makePlace("two");
    for (const [place, at] of [
      [one, 7],
      [two, 8],
    ] as const) {
      const bridge = { networkId: "b", networkName: "bridge" };
      await serve(place, [
        endpoint(place.id, `10.6.0.${at}`, [place.id], bridge),
        endpoint(place.id, `10.9.${at}.1`, [place.id], {
          networkId: place.id,
          networkName: `of-${place.id}`,
        }),
      ]);
    }
    server.setServers("one", ["127.0.0.1"]);
    await serve(one, [endpoint("one", "10.6.0.7", ["one"], { networkId: "b", networkName: "bridge" })]);
    assert.equal((await ask(one, "two", "A")).rcode, 2);
    assert.equal((await ask(one, "8.0.6.10.in-addr.arpa", "PTR")).rcode, 2);
    server.stop("one");
    server.stop("two");
  });

  test("port 53 is the container's own; what is no name of ours is asked there, as told", async () => {
    const asked: string[] = [];
    const many = Array.from(
      { length: 60 },
      (_, at): Answer => ({ type: "A", name: "many.test", ttl: 9, data: `10.1.1.${at}` }),
    );
    const reply = (query: Uint8Array, limit: number): Buffer => {
      const { id = 0, questions = [] } = decode(Buffer.from(query));
      const [question] = questions;
      asked.push(`${question?.type} ${question?.name}`);
      const whole = encode({ type: "response", id, flags: 256, questions, answers: many });
      return whole.length <= limit
        ? whole
        : encode({ type: "response", id, flags: 256 | TRUNCATED_RESPONSE, questions });
    };
    const listeners = web.namespace.run(() => ({
      udp: Bun.udpSocket({
        hostname: "0.0.0.0",
        port: 53,
        socket: { data: (socket, data, port, from) => void socket.send(reply(data, 512), port, from) },
      }),
      tcp: Bun.listen({
        hostname: "0.0.0.0",
        port: 53,
        socket: {
          data: (socket, data) => void socket.write(frame(reply(data.subarray(2), 65_535))),
        },
      }),
    }));
    const udp = await listeners.udp;
    try {
      const short = await ask(web, "many.test", "A");
      assert.deepEqual([short.truncated, short.answers.length], [true, 0]);
      assert.equal((await ask(web, "many.test", "A", { tcp: true })).answers.length, 60);
      assert.deepEqual(asked, ["A many.test", "A many.test"]);
    } finally {
      udp.close();
      listeners.tcp.stop(true);
    }
  });

  test("many containers of one name: all of them, in any order, cut to what the client takes", async () => {
    const places = Array.from({ length: 30 }, (_, at) => makePlace(`r${at}`));
    try {
      await Promise.all(
        places.map((place, at) => serve(place, [endpoint(place.id, `10.9.1.${at}`, [place.id, "replica"])])),
      );
      const cut = await ask(web, "replica", "A");
      assert.ok(cut.truncated && cut.answers.length > 5 && cut.bytes.length <= 512);
      const first = new Set<string | undefined>();
      for (let round = 0; round < 20; round++) {
        const { answers, truncated, packet } = await ask(web, "replica", "A", { udpSize: 4096 });
        assert.deepEqual([truncated, new Set(answers).size, packet.additionals?.length], [false, 30, 1]);
        first.add(answers[0]);
      }
      assert.ok(first.size > 1);
      server.stop("r0");
      assert.equal((await ask(web, "replica", "A", { tcp: true })).answers.length, 29);
      assert.equal((await ask(web, "r0", "A", { udpSize: 512 })).rcode, 2);
    } finally {
      for (const place of places) {
        server.stop(place.id);
        place[Symbol.dispose]();
      }
    }
  });

  test("served again with other networks and names; stopped, nobody answers", async () => {
    using late = makePlace("late");
    await serve(late, [endpoint("late", "fd00::5", ["late"])]);
    assert.deepEqual((await ask(web, "late", "AAAA")).answers, ["fd00::5"]);
    const reverse = `5.${"0.".repeat(29)}d.f.ip6.arpa`;
    assert.deepEqual((await ask(web, reverse, "PTR")).answers, ["late.net1"]);
    await serve(late, [
      endpoint("late", "10.7.0.9", ["late", "new"], { networkId: "n2", networkName: "net2" }),
    ]);
    assert.deepEqual((await ask(late, "new.NET2", "A")).answers, ["10.7.0.9"]);
    assert.equal((await ask(web, "late", "AAAA")).rcode, 2);
    server.stop("late");
    await serve(web, [endpoint("web", "10.9.0.2", ["web"])]);
    await assert.rejects(ask(late, "new", "A", { tcp: true }));
  });

  test("what an engine that died has left in a container is replaced", async () => {
    using place = makePlace("left");
    place.namespace.run(() => redirectNames(9));
    await serve(place, [endpoint("left", "10.9.0.77", ["left"])]);
    assert.deepEqual((await ask(place, "left", "A")).answers, ["10.9.0.77"]);
    server.stop("left");
  });

  test("a namespace that is gone is told to whoever waits", async () => {
    server.serve({ containerId: "gone", netnsPath: "/proc/0/ns/net", endpoints: [], ports: [] });
    await assert.rejects(server.ready("gone"), /cannot serve container gone/);
    server.stop("gone");
  });
});
