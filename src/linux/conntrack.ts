import {
  attribute,
  decodeAttributes,
  type NetlinkMessage,
  type NetlinkSocket,
  NLM,
  nested,
} from "./netlink.ts";

/** The part of conntrack's netlink protocol (linux/netfilter/nfnetlink_conntrack.h) that forgets flows. */
const SUBSYSTEM = 1;
const MESSAGE = { get: 1, delete: 2 };
const TUPLE_ORIGINAL = 1;
const ZONE = 18;
const TUPLE = { protocol: 2 };
const PROTOCOL = { number: 1, destinationPort: 3 };
const HEADER_SIZE = 4;
const AF_INET = 2;
const AF_INET6 = 10;

/**
 * Forgets the flows of a protocol (17: UDP) that came to one of these ports of the host. A flow that goes on would else go
 * where it went before, whatever the rules say by now.
 */
export function forgetFlows(socket: NetlinkSocket, protocol: number, ports: ReadonlySet<number>): void {
  for (const family of [AF_INET, AF_INET6]) {
    const header = Buffer.from([family, 0, 0, 0]);
    const message = (type: number, flags: number, ...payload: Buffer[]): NetlinkMessage => ({
      type: (SUBSYSTEM << 8) | type,
      flags,
      payload: Buffer.concat([header, ...payload]),
      what: "forget flows",
      passes: ["ENOENT"],
    });
    const [flows = []] = socket.request([message(MESSAGE.get, NLM.dump)]);
    const stale = flows.flatMap(({ payload }) => {
      const attributes = decodeAttributes(payload.subarray(HEADER_SIZE));
      const tuple = attributes.get(TUPLE_ORIGINAL);
      const inner = tuple && decodeAttributes(tuple).get(TUPLE.protocol);
      const fields = inner && decodeAttributes(inner);
      const port = fields?.get(PROTOCOL.destinationPort)?.readUInt16BE(0);
      if (tuple === undefined || fields?.get(PROTOCOL.number)?.[0] !== protocol) return [];
      if (port === undefined || !ports.has(port)) return [];
      const zone = attributes.get(ZONE);
      return message(
        MESSAGE.delete,
        0,
        nested(TUPLE_ORIGINAL, tuple),
        ...(zone === undefined ? [] : [attribute(ZONE, zone)]),
      );
    });
    if (stale.length > 0) socket.request(stale);
  }
}
