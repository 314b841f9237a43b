import { closeSync } from "node:fs";
import { PlyError } from "../error.ts";
import { errnoName, systemCall, systemCallError, trySystemCall } from "./libc.ts";

/** One request to the kernel. `payload` is the fixed header of its kind and the attributes after it. */
export interface NetlinkMessage {
  readonly type: number;
  /** Beside REQUEST and ACK, which are always set: {@link NLM}. */
  readonly flags: number;
  readonly payload: Uint8Array;
  /** What it does, for the error's words: `add address 10.0.0.2/24`. */
  readonly what: string;
  /** The kernel does not answer it: the ends of a netfilter batch, before Linux 6.10. */
  readonly isQuiet?: boolean;
  /** Errors that mean it is so already. */
  readonly passes?: readonly ("EEXIST" | "ENOENT" | "ENODEV" | "ESRCH" | "EADDRNOTAVAIL")[];
}

/** A part of an answer. */
export interface NetlinkReply {
  readonly type: number;
  readonly payload: Buffer;
}

/** A netlink socket (netlink(7)); it stays in the network namespace in which it was opened. */
export interface NetlinkSocket extends Disposable {
  /**
   * Sends all messages at once; the kernel takes them in order, those after a failed one as well. Returns what it
   * answered to each. Throws for the first that failed, once all have been answered.
   */
  request(messages: readonly NetlinkMessage[]): NetlinkReply[][];
}

export const NETLINK = { route: 0, netfilter: 12 } as const;
/** Flags of messages. */
export const NLM = { replace: 0x100, excl: 0x200, create: 0x400, append: 0x800, dump: 0x300 } as const;

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NLM_F_REQUEST = 1;
const NLM_F_MULTI = 2;
const NLM_F_ACK = 4;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const MSG_DONTWAIT = 0x40;
const HEADER_SIZE = 16;
/** Dumps come in pieces of at most 32 KiB. */
const RECEIVE_SIZE = 64 * 1024;
const SOL_NETLINK = 270;
const NETLINK_EXT_ACK = 11;
const NETLINK_CAP_ACK = 10;
/** The attribute of an extended ack with the kernel's words. */
const NLMSGERR_ATTR_MSG = 1;
const NLM_F_ACK_TLVS = 0x200;

/** Opens a socket for `NETLINK.route` or `NETLINK.netfilter` in the network namespace of this thread. */
export function openNetlink(protocol: number): NetlinkSocket {
  const fd = systemCall("socket", "netlink", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  const yes = Buffer.from([1, 0, 0, 0]);
  trySystemCall("setsockopt", fd, SOL_NETLINK, NETLINK_EXT_ACK, yes, yes.length);
  trySystemCall("setsockopt", fd, SOL_NETLINK, NETLINK_CAP_ACK, yes, yes.length);
  const received = Buffer.alloc(RECEIVE_SIZE);
  let sequence = 0;

  /** Undefined when there is nothing more: answers are there before a request returns. */
  function receive(): Buffer | undefined {
    const length = trySystemCall("recvfrom", fd, received, received.length, MSG_DONTWAIT);
    if (length >= 0) return received.subarray(0, length);
    if (errnoName(-length) === "EAGAIN" || errnoName(-length) === "EWOULDBLOCK") return undefined;
    throw systemCallError("netlink receive", -length);
  }

  return {
    request(messages) {
      const first = sequence + 1;
      sequence += messages.length;
      const out = Buffer.concat(messages.map((message, at) => encodeMessage(message, first + at)));
      const sent = trySystemCall("sendto", fd, out, out.length, 0);
      if (sent < 0) throw systemCallError("netlink send", -sent, undefined, messages[0]?.what);
      const replies: NetlinkReply[][] = messages.map(() => []);
      const open = new Set(messages.keys().filter((at) => messages[at]?.isQuiet !== true));
      let failure: { readonly at: number; readonly errno: number; readonly words: string } | undefined;
      while (open.size > 0) {
        const bytes = receive();
        if (bytes === undefined) break;
        for (const { type, flags, sequence: number, payload } of decodeMessages(bytes)) {
          const at = number - first;
          const message = messages[at];
          if (message === undefined) continue;
          if (type === NLMSG_DONE) open.delete(at);
          else if (type === NLMSG_ERROR) {
            open.delete(at);
            const errno = -payload.readInt32LE(0);
            if (errno === 0 || (message.passes as readonly string[] | undefined)?.includes(errnoName(errno)))
              continue;
            const words = (flags & NLM_F_ACK_TLVS) === 0 ? "" : extendedWords(payload);
            if (failure === undefined || at < failure.at) failure = { at, errno, words };
          } else {
            replies[at]?.push({ type, payload: Buffer.from(payload) });
            // A dump ends with DONE and has no ack of its own.
            if ((flags & NLM_F_MULTI) === 0 && (message.flags & NLM.dump) === NLM.dump) open.delete(at);
          }
        }
      }
      if (failure !== undefined)
        throw systemCallError(
          messages[failure.at]?.what ?? "netlink",
          failure.errno,
          undefined,
          failure.words,
        );
      // Of a batch with a mistake in it, only the mistake is answered to.
      if (open.size > 0) throw new PlyError("internal", `${messages[0]?.what}: the kernel did not answer`);
      return replies;
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

function encodeMessage({ type, flags, payload, isQuiet = false }: NetlinkMessage, sequence: number): Buffer {
  const out = Buffer.alloc(align(HEADER_SIZE + payload.length));
  out.writeUInt32LE(HEADER_SIZE + payload.length, 0);
  out.writeUInt16LE(type, 4);
  out.writeUInt16LE(flags | NLM_F_REQUEST | (isQuiet ? 0 : NLM_F_ACK), 6);
  out.writeUInt32LE(sequence, 8);
  out.set(payload, HEADER_SIZE);
  return out;
}

function* decodeMessages(bytes: Buffer) {
  for (let at = 0; at + HEADER_SIZE <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < HEADER_SIZE || at + length > bytes.length) return;
    yield {
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      payload: bytes.subarray(at + HEADER_SIZE, at + length),
    };
    at += align(length);
  }
}

/** What the kernel says of a failure: after the errno and the capped header of the request. */
function extendedWords(payload: Buffer): string {
  const message = decodeAttributes(payload.subarray(4 + HEADER_SIZE)).get(NLMSGERR_ATTR_MSG);
  return message === undefined ? "" : textOf(message);
}

const align = (length: number): number => (length + 3) & ~3;

/** An attribute with its padding; several parts are joined, nested attributes among them. */
export function attribute(type: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = 4 + parts.reduce((sum, part) => sum + part.length, 0);
  const out = Buffer.alloc(align(length));
  out.writeUInt16LE(length, 0);
  out.writeUInt16LE(type, 2);
  let at = 4;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** An attribute made of attributes, marked as such (NLA_F_NESTED). */
export const nested = (type: number, ...parts: readonly Uint8Array[]): Buffer =>
  attribute(type | 0x8000, ...parts);

/** The attributes by type; of doubles the last. */
export function decodeAttributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

export function u16(value: number): Buffer {
  const out = Buffer.alloc(2);
  out.writeUInt16LE(value);
  return out;
}

export function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value >>> 0);
  return out;
}

/** NUL at the end, as the kernel wants it. */
export const text = (value: string): Buffer => Buffer.from(`${value}\0`);

/** Up to the first NUL. */
export function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}
