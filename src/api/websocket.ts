import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { PlyError } from "../error.ts";
import type { UpgradeContext } from "./service.ts";
import { inputOf, type Sink } from "./stream-pump.ts";

/** RFC 6455, the server's side: messages of bytes both ways. */

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const FINAL = 0x80;
const MASKED = 0x80;
/** One frame of what somebody types or pipes; larger input comes in several. */
const MAX_FRAME_BYTES = 1024 * 1024;
const CLOSE_NORMAL = 1000;

/** A connection that now carries frames. */
export interface WebSocketConnection extends Sink {
  /** The payloads of the client's frames, until it closes. */
  readonly input: AsyncIterable<Uint8Array>;
  /** Says goodbye and ends our side. */
  close(): void;
}

/** Answers the handshake. Throws "invalid" for a request that is none (section 4.2.1). */
export function acceptWebSocket(context: UpgradeContext): WebSocketConnection {
  const { request, socket, head } = context;
  const key = request.headers["sec-websocket-key"];
  if (request.headers.upgrade?.toLowerCase() !== "websocket" || key === undefined)
    throw new PlyError("invalid", "not a websocket handshake");
  const accept = createHash("sha1").update(`${key}${GUID}`).digest("base64");
  const protocol = request.headers["sec-websocket-protocol"]?.split(",")[0]?.trim();
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${protocol === undefined ? "" : `Sec-WebSocket-Protocol: ${protocol}\r\n`}\r\n`,
  );
  const events = new EventEmitter();
  socket.on("drain", () => events.emit("drain"));
  return {
    input: payloads(socket, head),
    write: (bytes) => socket.write(encodeFrame(OPCODE.binary, bytes)),
    once: (event, listener) => events.once(event, listener),
    off: (event, listener) => events.off(event, listener),
    close() {
      if (socket.writableEnded || socket.destroyed) return;
      socket.end(encodeFrame(OPCODE.close, Uint8Array.of(CLOSE_NORMAL >> 8, CLOSE_NORMAL & 0xff)));
    },
  };
}

/** One unfragmented, unmasked frame (section 5.2). */
export function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = FINAL | opcode;
  if (length < 126) head[1] = length;
  else if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** What follows it. */
  readonly rest: Buffer;
}

/** The first frame of what has come; undefined when it is not all there. Throws "invalid", "limit". */
export function decodeFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const opcode = (bytes[0] ?? 0) & 0x0f;
  const second = bytes[1] ?? 0;
  // Section 5.1: whatever a client sends is masked.
  if ((second & MASKED) === 0) throw new PlyError("invalid", "a websocket frame without a mask");
  const short = second & 0x7f;
  const maskAt = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < maskAt + 4) return undefined;
  const length =
    short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  if (length > MAX_FRAME_BYTES)
    throw new PlyError("limit", `a websocket frame of more than ${MAX_FRAME_BYTES} bytes`);
  const from = maskAt + 4;
  if (bytes.length < from + length) return undefined;
  const payload = Buffer.from(bytes.subarray(from, from + length));
  for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[maskAt + (i & 3)] ?? 0);
  return { opcode, payload, rest: bytes.subarray(from + length) };
}

async function* payloads(socket: Duplex, head: Uint8Array): AsyncGenerator<Uint8Array> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of inputOf(socket, head)) {
    pending = Buffer.concat([pending, chunk]);
    for (let frame = decodeFrame(pending); frame !== undefined; frame = decodeFrame(pending)) {
      pending = frame.rest;
      if (frame.opcode === OPCODE.close) return;
      if (frame.opcode === OPCODE.ping) socket.write(encodeFrame(OPCODE.pong, frame.payload));
      else if (frame.opcode < OPCODE.close) yield frame.payload;
    }
  }
}
