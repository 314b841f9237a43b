import { PlyError } from "../error.ts";

/** Which stream a frame is of. "system" carries an error that hit the stream itself. */
export type FrameStream = "stdin" | "stdout" | "stderr" | "system";

export interface StreamFrame {
  readonly stream: FrameStream;
  readonly bytes: Uint8Array;
}

export const MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream";
export const RAW_STREAM = "application/vnd.docker.raw-stream";

/** Stream number, three zeros, payload length big-endian (Engine API, ContainerAttach, "Stream format"). */
const HEADER_BYTES = 8;
const STREAMS: readonly FrameStream[] = ["stdin", "stdout", "stderr", "system"];
/** A frame claiming more is a broken stream: senders split at a few tens of KiB. */
export const MAX_FRAME_BYTES = 64 * 1024 * 1024;

/** The header that goes before `length` bytes of the stream. */
export function encodeFrameHeader(stream: FrameStream, length: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = STREAMS.indexOf(stream);
  new DataView(header.buffer).setUint32(4, length);
  return header;
}

/** Header and bytes as one buffer. */
export function encodeFrame(frame: StreamFrame): Uint8Array {
  const encoded = new Uint8Array(HEADER_BYTES + frame.bytes.length);
  encoded.set(encodeFrameHeader(frame.stream, frame.bytes.length));
  encoded.set(frame.bytes, HEADER_BYTES);
  return encoded;
}

/**
 * Payloads with their stream, as they arrive: one frame may come in several parts, so nothing is held back.
 * Throws "corrupt" for an unknown stream number, an absurd length or an end within a frame.
 */
export async function* decodeFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<StreamFrame> {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  let headerFill = 0;
  let stream: FrameStream = "stdout";
  let left = 0;
  for await (const chunk of chunks) {
    let at = 0;
    while (at < chunk.length) {
      if (left > 0) {
        const part = chunk.subarray(at, at + left);
        at += part.length;
        left -= part.length;
        yield { stream, bytes: part };
        continue;
      }
      const part = chunk.subarray(at, at + HEADER_BYTES - headerFill);
      header.set(part, headerFill);
      headerFill += part.length;
      at += part.length;
      if (headerFill < HEADER_BYTES) continue;
      headerFill = 0;
      const named = STREAMS[header[0] ?? 0];
      left = view.getUint32(4);
      if (named === undefined || left > MAX_FRAME_BYTES)
        throw new PlyError(
          "corrupt",
          `not a multiplexed stream: header ${Buffer.from(header).toString("hex")}`,
        );
      stream = named;
    }
  }
  if (left > 0 || headerFill > 0)
    throw new PlyError("corrupt", "the multiplexed stream ended within a frame");
}
