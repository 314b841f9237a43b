import {
  attribute,
  decodeAttributes,
  type NetlinkMessage,
  type NetlinkSocket,
  NLM,
  nested,
  text,
} from "./netlink.ts";

/**
 * The part of nftables' netlink protocol (linux/netfilter/nf_tables.h) that must be quick: elements of sets and maps come and go, and
 * whether anybody changed anything is asked often. Tables and rules are text for nft(8).
 */
const SUBSYSTEM = 10;
const MESSAGE = { getRule: 7, newElement: 12, deleteElement: 14, getGeneration: 16 };
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const NFPROTO_INET = 1;
const ELEMENTS = { table: 1, set: 2, elements: 3 };
const ELEMENT = { key: 1, data: 2, keyEnd: 10 };
const ELEMENT_OF_LIST = 1;
const DATA_VALUE = 1;
const RULE_TABLE = 1;
const GENERATION_ID = 1;

/** An element of a set, or of a map when it has data. Concatenations are joined with {@link concatenated}. */
export interface SetElement {
  readonly set: string;
  readonly key: Uint8Array;
  /** Last key of a range, in sets of ranges of concatenations. */
  readonly keyEnd?: Uint8Array;
  readonly data?: Uint8Array;
}

/** Each part of a concatenation fills whole registers of four bytes. */
export function concatenated(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.concat([part, Buffer.alloc((4 - (part.length % 4)) % 4)])));
}

function message(type: number, flags: number, what: string, ...payload: Uint8Array[]): NetlinkMessage {
  return {
    type: (SUBSYSTEM << 8) | type,
    flags,
    what,
    payload: Buffer.concat([header(NFPROTO_INET, 0), ...payload]),
  };
}

/** nfgenmsg: family, version, and a resource in network order. */
const header = (family: number, resource: number): Buffer =>
  Buffer.from([family, 0, resource >> 8, resource & 0xff]);

/** All of them or none, in one transaction. Throws not-found when the table is gone, "exists" for a key that has other data. */
export function changeElements(
  socket: NetlinkSocket,
  table: string,
  change: { readonly add?: readonly SetElement[]; readonly remove?: readonly SetElement[] },
): void {
  const { add = [], remove = [] } = change;
  if (add.length + remove.length === 0) return;
  const of = ({ set, key, keyEnd, data }: SetElement) => [
    attribute(ELEMENTS.table, text(table)),
    attribute(ELEMENTS.set, text(set)),
    nested(
      ELEMENTS.elements,
      nested(
        ELEMENT_OF_LIST,
        nested(ELEMENT.key, attribute(DATA_VALUE, key)),
        ...(keyEnd === undefined ? [] : [nested(ELEMENT.keyEnd, attribute(DATA_VALUE, keyEnd))]),
        ...(data === undefined ? [] : [nested(ELEMENT.data, attribute(DATA_VALUE, data))]),
      ),
    ),
  ];
  socket.request([
    {
      type: BATCH_BEGIN,
      flags: 0,
      what: "begin nftables batch",
      payload: header(0, SUBSYSTEM),
      isQuiet: true,
    },
    ...remove.map((each) => message(MESSAGE.deleteElement, 0, `delete element of ${each.set}`, ...of(each))),
    ...add.map((each) => message(MESSAGE.newElement, NLM.create, `add element to ${each.set}`, ...of(each))),
    {
      type: BATCH_END,
      flags: 0,
      what: "end nftables batch",
      payload: header(0, SUBSYSTEM),
      isQuiet: true,
    },
  ]);
}

/** A number that changes with every transaction of anybody's in this network namespace. */
export function rulesetGeneration(socket: NetlinkSocket): number {
  const [replies = []] = socket.request([message(MESSAGE.getGeneration, 0, "get nftables generation")]);
  const id = replies[0] && decodeAttributes(replies[0].payload.subarray(4)).get(GENERATION_ID);
  return id?.readUInt32BE(0) ?? 0;
}

/** How many rules a table of the family inet has; none when there is no such table. */
export function countRules(socket: NetlinkSocket, table: string): number {
  const [replies = []] = socket.request([
    {
      ...message(MESSAGE.getRule, NLM.dump, "list rules", attribute(RULE_TABLE, text(table))),
      passes: ["ENOENT"],
    },
  ]);
  return replies.length;
}
