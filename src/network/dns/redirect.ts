import {
  attribute,
  NETLINK,
  type NetlinkMessage,
  NLM,
  nested,
  openNetlink,
  text,
} from "../../linux/index.ts";

/** Where containers look for the name server, as Docker has it: configuration files name it. */
export const DNS_ADDRESS = "127.0.0.11";
export const DNS_PORT = 53;

/**
 * In a container port 53 belongs to the container: it may run a name server itself, on all its addresses. So ours
 * listens on another port of 127.0.0.11, and these rules rewrite the port of each packet there and back. They hold no
 * state: nothing in the container is tracked for it.
 */
export function redirectNames(port: number): void {
  const there = { addressAt: DESTINATION_ADDRESS, portAt: DESTINATION_PORT, from: DNS_PORT, to: port };
  const back = { addressAt: SOURCE_ADDRESS, portAt: SOURCE_PORT, from: port, to: DNS_PORT };
  const rules = PROTOCOLS.flatMap((protocol) => [rewrite(protocol, there), rewrite(protocol, back)]);
  using socket = openNetlink(NETLINK.netfilter);
  socket.request([
    batch(NFNL_MSG_BATCH_BEGIN),
    // Made, so that it can be removed: an engine that died may have left one, with the port of a socket that died with it.
    message(NFT_MSG.table, NLM.create, attribute(NFTA_TABLE_NAME, text(TABLE))),
    message(NFT_MSG.removeTable, 0, attribute(NFTA_TABLE_NAME, text(TABLE))),
    message(NFT_MSG.table, NLM.create, attribute(NFTA_TABLE_NAME, text(TABLE))),
    message(
      NFT_MSG.chain,
      NLM.create,
      attribute(NFTA_CHAIN.table, text(TABLE)),
      attribute(NFTA_CHAIN.name, text(CHAIN)),
      attribute(NFTA_CHAIN.type, text("filter")),
      nested(NFTA_CHAIN.hook, attribute(1, u32(NF_INET_LOCAL_OUT)), attribute(2, u32(PRIORITY_RAW))),
    ),
    ...rules.map((expressions) =>
      message(
        NFT_MSG.rule,
        NLM.create | NLM.append,
        attribute(NFTA_RULE.table, text(TABLE)),
        attribute(NFTA_RULE.chain, text(CHAIN)),
        nested(NFTA_RULE.expressions, ...expressions),
      ),
    ),
    batch(NFNL_MSG_BATCH_END),
  ]);
}

/** `ip daddr 127.0.0.11 udp dport 53 udp dport set PORT`, as nft(8) would send it. */
function rewrite(
  { number, checksumAt }: (typeof PROTOCOLS)[number],
  { addressAt, portAt, from, to }: { addressAt: number; portAt: number; from: number; to: number },
): Buffer[] {
  const equals = (value: Uint8Array) =>
    expression("cmp", attribute(1, u32(REGISTER)), attribute(2, u32(0)), data(3, value));
  const load = (base: number, offset: number, length: number) =>
    expression(
      "payload",
      attribute(1, u32(REGISTER)),
      attribute(2, u32(base)),
      attribute(3, u32(offset)),
      attribute(4, u32(length)),
    );
  return [
    load(NETWORK_HEADER, addressAt, 4),
    equals(Uint8Array.from(DNS_ADDRESS.split(".").map(Number))),
    expression("meta", attribute(1, u32(REGISTER)), attribute(2, u32(META_L4PROTO))),
    equals(Uint8Array.of(number)),
    load(TRANSPORT_HEADER, portAt, 2),
    equals(u16(from)),
    expression("immediate", attribute(1, u32(REGISTER)), data(2, u16(to))),
    expression(
      "payload",
      attribute(5, u32(REGISTER)),
      attribute(2, u32(TRANSPORT_HEADER)),
      attribute(3, u32(portAt)),
      attribute(4, u32(2)),
      attribute(6, u32(CHECKSUM_INTERNET)),
      attribute(7, u32(checksumAt)),
    ),
  ];
}

// What follows is linux/netfilter/nfnetlink.h and nf_tables.h.
const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFT_MSG = { table: 0xa00, removeTable: 0xa02, chain: 0xa03, rule: 0xa06 } as const;
const NFPROTO_IPV4 = 2;
const NFTA_TABLE_NAME = 1;
const NFTA_CHAIN = { table: 1, name: 3, hook: 4, type: 7 } as const;
const NFTA_RULE = { table: 1, chain: 2, expressions: 4 } as const;
const NF_INET_LOCAL_OUT = 3;
const PRIORITY_RAW = -300;
const REGISTER = 1;
const NETWORK_HEADER = 1;
const TRANSPORT_HEADER = 2;
const META_L4PROTO = 16;
const CHECKSUM_INTERNET = 1;
/** Offsets in an IPv4 header, and in those of UDP and TCP. */
const SOURCE_ADDRESS = 12;
const DESTINATION_ADDRESS = 16;
const SOURCE_PORT = 0;
const DESTINATION_PORT = 2;
const PROTOCOLS = [
  { number: 17, checksumAt: 6 },
  { number: 6, checksumAt: 16 },
] as const;
const TABLE = "ply-dns";
const CHAIN = "output";

/** nfnetlink's own header follows netlink's: family, version, a resource in network order. */
function message(type: number, flags: number, ...attributes: readonly Uint8Array[]): NetlinkMessage {
  const payload = Buffer.concat([Buffer.from([NFPROTO_IPV4, 0, 0, 0]), ...attributes]);
  return { type, flags, payload, what: "redirect name queries" };
}

/** All between begin and end becomes true at once, or none of it. */
function batch(type: number): NetlinkMessage {
  const payload = Buffer.from([0, 0, 0, NFNL_SUBSYS_NFTABLES]);
  return { type, flags: 0, payload, what: "redirect name queries", isQuiet: true };
}

function expression(name: string, ...attributes: readonly Uint8Array[]): Buffer {
  return nested(1, attribute(1, text(name)), nested(2, ...attributes));
}

const data = (type: number, value: Uint8Array): Buffer => nested(type, attribute(1, value));

/** nf_tables has its numbers in network order. */
function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0, 0);
  return bytes;
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value, 0);
  return bytes;
}
