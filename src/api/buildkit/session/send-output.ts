import { PlyError, throwIfAborted } from "../../../error.ts";
import type { Given, GrpcConnection } from "../../../grpc/index.ts";
import { cleanPath } from "../../../layer/index.ts";
import { readTar, type TarEntry } from "../../../tar/index.ts";
import { type Channel, createChannel } from "./channel.ts";
import { PACKET, type Packet, sendBytes, sendCopy } from "./methods.ts";
import type { BuildkitSession, SessionCallOptions } from "./session.ts";
import { statOfEntry } from "./stat-entry.ts";

/** Clients take messages of 4 MiB. */
const PIECE_BYTES = 1024 * 1024;

/** Gives the client one file. Throws "exists" when it does not want it, and what it says is wrong. */
export async function sendFile(
  connection: GrpcConnection,
  content: AsyncIterable<Uint8Array>,
  { exporter, metadata = {}, signal }: Parameters<BuildkitSession["sendFile"]>[1],
): Promise<void> {
  const marked = Object.entries(metadata).map(([key, value]) => [`exporter-md-${key.toLowerCase()}`, value]);
  const answers = connection.call(sendBytes, piecesOf(content), {
    metadata: { ...Object.fromEntries(marked), ...exporterId(exporter) },
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const _ of answers);
}

async function* piecesOf(
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ readonly data: Uint8Array }, void> {
  for await (const chunk of content)
    for (let at = 0; at < chunk.length; at += PIECE_BYTES)
      yield { data: chunk.subarray(at, at + PIECE_BYTES) };
}

/** Of small files, what is read ahead of the client's asking. */
const WINDOW_BYTES = 8 * 1024 * 1024;
/** Larger ones are not read before the client asks. */
const SMALL_BYTES = 1024 * 1024;

type Out = Given<typeof Packet>;

/** Gives the client a directory: the entries of a tar, told of as they come, their contents as they are asked for. */
export async function sendDirectory(
  connection: GrpcConnection,
  tar: AsyncIterable<Uint8Array>,
  { exporter, signal }: SessionCallOptions & { readonly exporter: number },
): Promise<void> {
  /** Ids of what the client asks for; it ends when the client has all it wants, or is gone. */
  const asks = createChannel<number>();
  const answers = connection.call(sendCopy, packetsOf(tar, asks), {
    metadata: { ...exporterId(exporter), "buildkit-exporter-multi-platform": "1" },
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    for await (const { type, id, data } of answers) {
      if (type === PACKET.error)
        throw new PlyError("invalid", `error from receiver: ${Buffer.from(data).toString()}`);
      if (type === PACKET.request) asks.put(id);
      else if (type === PACKET.end) asks.end();
      else throw new PlyError("invalid", `the client sends an unknown kind of packet (${type})`);
    }
  } finally {
    asks.end();
  }
  throwIfAborted(signal);
}

async function* packetsOf(tar: AsyncIterable<Uint8Array>, asks: Channel<number>): AsyncGenerator<Out, void> {
  const held = new Map<number, readonly Uint8Array[]>();
  let heldBytes = 0;
  let id = 0;
  /** Answers what is held; true when `large` was asked for. */
  function* answer(large?: number): Generator<Out, boolean> {
    for (let asked = asks.take(); asked !== undefined; asked = asks.take()) {
      if (asked === large) return true;
      const chunks = held.get(asked);
      if (chunks === undefined)
        throw new PlyError("invalid", `the client asks for a file that there is not (${asked})`);
      held.delete(asked);
      for (const data of chunks) {
        heldBytes -= data.length;
        yield { type: PACKET.data, id: asked, data };
      }
      yield { type: PACKET.data, id: asked };
    }
    return false;
  }
  for await (const { entry, content } of readTar(tar)) {
    const path = cleanPath(entry.path, "entry");
    if (path === "") continue;
    yield { type: PACKET.stat, stat: statOfEntry(path, { ...entry, linkTarget: linkOf(entry) }) };
    if (entry.type === "file" && entry.size > SMALL_BYTES) {
      while (!(yield* answer(id))) {
        if (asks.isEnded) throw new PlyError("cancelled", "the client wants no more");
        await asks.changed();
      }
      for await (const data of content) yield { type: PACKET.data, id, data };
      yield { type: PACKET.data, id };
    } else if (entry.type === "file") {
      const chunks: Uint8Array[] = [];
      for await (const data of content) chunks.push(data);
      held.set(id, chunks);
      heldBytes += entry.size;
    }
    id++;
    yield* answer();
    while (heldBytes > WINDOW_BYTES && !asks.isEnded) {
      await asks.changed();
      yield* answer();
    }
  }
  yield { type: PACKET.stat };
  while (!asks.isEnded) {
    yield* answer();
    await asks.changed();
  }
  yield { type: PACKET.end };
}

function linkOf({ type, linkTarget }: TarEntry): string {
  return type === "hardlink" ? cleanPath(linkTarget, "hard link to") : linkTarget;
}

function exporterId(exporter: number): Record<string, string> {
  return { "buildkit-attachable-exporter-id": String(exporter) };
}
