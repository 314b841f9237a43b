import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode, encode, type RecordType } from "dns-packet";
import fc from "fast-check";
import { createForwarder } from "./forward.ts";
import { createNames } from "./names.ts";
import { createResolver } from "./resolver.ts";
import type { Server, Transport } from "./upstream.ts";

const namespace = { run: <T>(work: () => T): T => work() };

function query(name: string, type: RecordType = "A", more: object = {}): Buffer {
  return encode({ type: "query", id: 4711, flags: 256, questions: [{ type, name, class: "IN" }], ...more });
}

/** A resolver for container "a", and who was asked. `replies`: response code by server; absent, it is silent. */
function room(
  replies: Readonly<Record<string, number>>,
  hostServers: string[] = ["127.0.0.53", "192.0.2.1"],
) {
  const asked: string[] = [];
  let now = 0;
  const exchange = async ({ address, namespace: where }: Server, transport: Transport, sent: Buffer) => {
    asked.push(`${where === null ? "host" : "container"} ${transport} ${address}`);
    const rcode = replies[address];
    if (rcode === undefined) return undefined;
    const answer = Buffer.from(sent);
    answer.writeUInt16BE(0x8180 | rcode, 2);
    return answer;
  };
  const names = createNames();
  const membership = { networkId: "n", networkName: "net", names: ["a"], addresses: ["10.0.0.1"], links: [] };
  names.set("a", [{ ...membership, isExternal: true }]);
  const resolve = createResolver({
    names,
    forwarder: createForwarder({ exchange, clock: () => now }),
    hostServers: () => hostServers,
  });
  return {
    asked,
    resolve,
    later: (ms: number) => {
      now += ms;
    },
    async ask(bytes: Uint8Array, servers: string[] = [], transport: Transport = "udp") {
      const answer = await resolve({ container: "a", servers, namespace }, bytes, transport);
      return answer === null ? null : { ...decode(answer), code: (answer[3] ?? 0) & 15 };
    },
  };
}

describe("a query", () => {
  test("for a name of ours asks nobody, whatever its type", async () => {
    const { ask, asked } = room({});
    const found = await ask(query("a"));
    assert.deepEqual(
      [found?.code, found?.answers?.length, found?.flag_aa, found?.flag_ra, found?.id],
      [0, 1, true, true, 4711],
    );
    for (const type of ["AAAA", "MX", "TXT", "HTTPS"] as RecordType[]) {
      const none = await ask(query("A", type));
      assert.deepEqual([none?.code, none?.answers?.length, none?.questions?.[0]?.name], [0, 0, "A"], type);
    }
    assert.deepEqual(asked, []);
  });

  test("for another name goes to the host's servers, from the host", async () => {
    const { ask, asked } = room({ "127.0.0.53": 0 });
    assert.equal((await ask(query("example.com")))?.code, 0);
    assert.equal((await ask(query("nobody"), [], "tcp"))?.code, 0);
    assert.deepEqual(asked, ["host udp 127.0.0.53", "host tcp 127.0.0.53"]);
  });

  test("goes to the container's own servers, from the container", async () => {
    const { ask, asked } = room({ "127.0.0.1": 3 });
    assert.equal((await ask(query("example.com"), ["127.0.0.1"]))?.code, 3);
    assert.deepEqual(asked, ["container udp 127.0.0.1"]);
  });

  test("goes on to the next server when one is silent or cannot say; the silent one is asked last then", async () => {
    const { ask, asked, later } = room({ "192.0.2.1": 0 });
    assert.equal((await ask(query("example.com")))?.code, 0);
    assert.equal((await ask(query("example.com")))?.code, 0);
    later(31_000);
    assert.equal((await ask(query("example.com")))?.code, 0);
    const [silent, helpful] = ["host udp 127.0.0.53", "host udp 192.0.2.1"];
    assert.deepEqual(asked, [silent, helpful, helpful, silent, helpful]);
    const refused = room({ "127.0.0.53": 5, "192.0.2.1": 2 });
    assert.equal((await refused.ask(query("example.com")))?.code, 5);
    assert.equal(refused.asked.length, 2);
  });

  test("that nobody can answer fails", async () => {
    assert.equal((await room({}).ask(query("example.com")))?.code, 2);
    const alone = room({}, []);
    assert.equal((await alone.ask(query("example.com")))?.code, 2);
    assert.equal((await alone.ask(query("nobody")))?.code, 3);
  });

  test("that is none is refused, or passed over", async () => {
    const { ask } = room({});
    assert.equal(await ask(Buffer.alloc(11)), null);
    assert.equal(await ask(encode({ type: "response", id: 1 })), null);
    assert.equal((await ask(encode({ type: "query", id: 1 })))?.code, 1);
    const update = query("a");
    update.writeUInt16BE(0x2800, 2);
    assert.equal((await ask(update))?.code, 4);
    assert.equal((await ask(query("a").subarray(0, 15)))?.code, 1);
  });

  test("of any bytes is survived", async () => {
    const { resolve } = room({});
    const asking = { container: "a", servers: [], namespace };
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), fc.boolean(), async (tail, isHeaded) => {
        const head = isHeaded ? query("a").subarray(0, 12) : Buffer.alloc(0);
        const answer = await resolve(asking, Buffer.concat([head, tail]), "udp");
        if (answer !== null) decode(answer);
      }),
      { numRuns: 2000 },
    );
  });
});
