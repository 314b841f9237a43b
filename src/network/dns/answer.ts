import { isIPv6 } from "node:net";
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  type OptAnswer,
  type Packet,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from "dns-packet";
import type { Names } from "./names.ts";

/** Response codes (RFC 1035, 4.1.1). */
export const RCODE = {
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
} as const;

/** Seconds an answer may be kept: containers come and go. */
const TTL = 5;
/** What every client takes over UDP (RFC 1035, 2.3.4), and the most that we send, whatever it says. */
const UDP_LIMIT = 512;
const UDP_MOST = 4096;
/** What we take over UDP, told to clients that ask with EDNS (RFC 6891, 6.2.3). */
const OWN_UDP_SIZE = 1232;
const OPCODE_MASK = 0x7800;

/** A query that was understood. */
export interface Query {
  readonly packet: DecodedPacket;
  readonly name: string;
  readonly type: string;
  /** Bytes of the longest answer that the client takes over UDP. */
  readonly udpLimit: number;
}

/** Reads a query; bytes are the answer to one that is none, null says that none is due (an answer, less than a header). */
export function readQuery(bytes: Uint8Array): Query | Buffer | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 12 || ((buffer[2] ?? 0) & 0x80) !== 0) return null;
  if ((buffer.readUInt16BE(2) & OPCODE_MASK) !== 0) return bare(buffer, RCODE.notImplemented);
  let packet: DecodedPacket;
  try {
    packet = decode(buffer);
  } catch {
    return bare(buffer, RCODE.formatError);
  }
  const [question, ...more] = packet.questions ?? [];
  if (question === undefined || more.length > 0) return bare(buffer, RCODE.formatError);
  const edns = ednsOf(packet);
  const udpLimit = Math.min(UDP_MOST, Math.max(UDP_LIMIT, edns?.udpPayloadSize ?? UDP_LIMIT));
  return { packet, name: question.name, type: question.type, udpLimit };
}

/** The answer from the names that containers have; undefined: it is for others to say. */
export function answerFromNames(query: Query, names: Names, asking: string): Packet | undefined {
  const { name, type } = query;
  if (query.packet.questions?.[0]?.class !== "IN") return undefined;
  if (/\.(in-addr|ip6)\.arpa\.?$/i.test(name)) {
    const found = names.nameOf(asking, name);
    if (found === undefined) return undefined;
    return respond(
      query,
      0,
      type === "PTR" || type === "ANY" ? [{ type: "PTR", name, ttl: TTL, class: "IN", data: found }] : [],
    );
  }
  const addresses = names.addressesOf(asking, name);
  if (addresses === undefined) return undefined;
  const wanted = (kind: "A" | "AAAA") => type === kind || type === "ANY";
  // A name that is ours has no records but these: an empty answer, not "no such name".
  const answers = addresses
    .map((data): Answer => ({ type: isIPv6(data) ? "AAAA" : "A", name, ttl: TTL, class: "IN", data }))
    .filter((answer) => wanted(answer.type as "A" | "AAAA"));
  return respond(query, 0, shuffled(answers));
}

/** An answer without records. */
export function fail({ packet, ...query }: Query, rcode: number): Packet {
  return respond({ packet, ...query }, rcode, []);
}

function respond({ packet }: Query, rcode: number, answers: Answer[]): Packet {
  const flags = ((packet.flags ?? 0) & RECURSION_DESIRED) | RECURSION_AVAILABLE | rcode;
  return {
    type: "response",
    id: packet.id ?? 0,
    flags: rcode === 0 ? flags | AUTHORITATIVE_ANSWER : flags,
    questions: packet.questions ?? [],
    answers,
    additionals: ednsOf(packet) === undefined ? [] : [edns()],
  };
}

/** At most `limit` bytes: answers that do not fit are left out, and the client is told that it may ask over TCP. */
export function encodeWithin(packet: Packet, limit: number): Buffer {
  let answers = packet.answers ?? [];
  for (;;) {
    const isWhole = answers.length === (packet.answers ?? []).length;
    const flags = (packet.flags ?? 0) | (isWhole ? 0 : TRUNCATED_RESPONSE);
    const bytes = encode({ ...packet, flags, answers });
    if (bytes.length <= limit || answers.length === 0) return bytes;
    // All have about the same size.
    const kept = Math.floor((answers.length * limit) / bytes.length);
    answers = answers.slice(0, Math.min(kept, answers.length - 1));
  }
}

function ednsOf(packet: DecodedPacket): OptAnswer | undefined {
  return packet.additionals?.find(({ type }) => type === "OPT") as OptAnswer | undefined;
}

function edns(): OptAnswer {
  return {
    type: "OPT",
    name: ".",
    udpPayloadSize: OWN_UDP_SIZE,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
}

/** The header alone: the question could not be read. */
function bare(query: Buffer, rcode: number): Buffer {
  const answer = Buffer.alloc(12);
  query.copy(answer, 0, 0, 4);
  answer.writeUInt16BE(
    (query.readUInt16BE(2) & (OPCODE_MASK | RECURSION_DESIRED)) | 0x8000 | RECURSION_AVAILABLE | rcode,
    2,
  );
  return answer;
}

/** Round robin without memory: every order is as likely. */
function shuffled<T>(items: readonly T[]): T[] {
  const mixed = [...items];
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other] as T, mixed[last] as T];
  }
  return mixed;
}
