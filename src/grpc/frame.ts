import { PlyError } from "../error.ts";

/** A flag (1: compressed) and the length of the message after it (gRPC over HTTP/2, Length-Prefixed-Message). */
const HEAD_BYTES = 5;
/** The same bound as BuildKit's: 16 MiB. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

export function frameOf(message: Uint8Array): Uint8Array {
  if (message.length > MAX_MESSAGE_BYTES)
    throw new PlyError("limit", `a message of ${message.length} bytes is too long`);
  const frame = Buffer.allocUnsafe(HEAD_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEAD_BYTES);
  return frame;
}

/**
 * The messages of a stream, those together that came together. Throws "limit" for one that is too long, "unsupported" for
 * a compressed one, "invalid" when the last is cut.
 */
export async function* readFrames(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly Uint8Array[], void> {
  let have: Uint8Array[] = [];
  let length = 0;
  let wanted = HEAD_BYTES;
  for await (const chunk of chunks) {
    have.push(chunk);
    length += chunk.length;
    if (length < wanted) continue;
    const bytes = have.length === 1 ? chunk : Buffer.concat(have, length);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (length - at >= HEAD_BYTES) {
      wanted = HEAD_BYTES + messageLength(bytes, at);
      if (length - at < wanted) break;
      messages.push(bytes.subarray(at + HEAD_BYTES, at + wanted));
      at += wanted;
      wanted = HEAD_BYTES;
    }
    have = at === length ? [] : [bytes.subarray(at)];
    length -= at;
    if (messages.length > 0) yield messages;
  }
  if (length > 0) throw new PlyError("invalid", "a message is cut short");
}

function messageLength(bytes: Uint8Array, at: number): number {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.readUInt8(at) !== 0)
    throw new PlyError("unsupported", "compressed messages are not understood", {
      hint: "send them as they are: grpc-encoding identity",
    });
  const length = view.readUInt32BE(at + 1);
  if (length > MAX_MESSAGE_BYTES)
    throw new PlyError("limit", `a message of ${length} bytes is longer than ${MAX_MESSAGE_BYTES}`);
  return length;
}
