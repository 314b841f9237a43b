import { closeSync } from "node:fs";
import { systemCall, systemCallError } from "./libc.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const HEADER_SIZE = 16;
const NLMSG_ERROR = 2;
/** The kernel has answered before `sendto` returns. */
const MSG_DONTWAIT = 0x40;
const ANSWER_SIZE = 8192;
/** Set in an attribute's type when it holds attributes. */
const NLA_F_NESTED = 0x8000;

export const NLM_F = { REQUEST: 1, ACK: 4, CREATE: 0x400, APPEND: 0x800 } as const;

/** A netlink message, its parts one after the other behind the header (netlink(7)). */
export function netlinkMessage(
  header: { readonly type: number; readonly flags: number; readonly sequence: number },
  ...parts: readonly Uint8Array[]
): Buffer {
  const message = Buffer.concat([Buffer.alloc(HEADER_SIZE), ...parts]);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(header.type, 4);
  message.writeUInt16LE(header.flags | NLM_F.REQUEST, 6);
  message.writeUInt32LE(header.sequence, 8);
  return message;
}

/** One attribute, padded to four bytes. A text gets its NUL; a list holds attributes. */
export function attribute(type: number, value: Uint8Array | string | readonly Uint8Array[]): Buffer {
  const isList = Array.isArray(value);
  const bytes = typeof value === "string" ? Buffer.from(`${value}\0`) : isList ? Buffer.concat(value) : value;
  const whole = Buffer.alloc((4 + (bytes as Uint8Array).length + 3) & ~3);
  whole.writeUInt16LE(4 + (bytes as Uint8Array).length, 0);
  whole.writeUInt16LE(isList ? type | NLA_F_NESTED : type, 2);
  whole.set(bytes as Uint8Array, 4);
  return whole;
}

/**
 * Sends messages to the kernel as one packet and waits for as many answers as were asked for with NLM_F.ACK. Throws
 * {@link systemCallError} for the first that failed; `about` says what it was about.
 */
export function sendNetlink(protocol: number, messages: readonly Uint8Array[], about: string): void {
  const fd = systemCall("socket", about, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  try {
    const packet = Buffer.concat(messages);
    // To the kernel: port 0, no groups.
    const kernel = Buffer.alloc(12);
    kernel.writeUInt16LE(AF_NETLINK, 0);
    systemCall("sendto", about, fd, packet, packet.length, 0, kernel, kernel.length);
    let wanted = messages.filter(
      (message) => (Buffer.from(message).readUInt16LE(6) & NLM_F.ACK) !== 0,
    ).length;
    const answer = Buffer.alloc(ANSWER_SIZE);
    while (wanted > 0) {
      const size = systemCall("recvfrom", about, fd, answer, answer.length, MSG_DONTWAIT);
      for (let at = 0; at + HEADER_SIZE <= size; ) {
        if (answer.readUInt16LE(at + 4) === NLMSG_ERROR) {
          const errno = -answer.readInt32LE(at + HEADER_SIZE);
          if (errno !== 0) throw systemCallError("netlink", errno, about);
          wanted--;
        }
        at += (answer.readUInt32LE(at) + 3) & ~3;
      }
    }
  } finally {
    closeSync(fd);
  }
}
