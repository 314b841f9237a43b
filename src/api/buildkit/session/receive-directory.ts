import { PlyError, throwIfAborted } from "../../../error.ts";
import type { GrpcConnection, Read } from "../../../grpc/index.ts";
import {
  MAX_ENTRIES,
  MAX_METADATA_BYTES,
  TAR_END,
  type TarHeaderFields,
  tarHeader,
  tarPadding,
} from "../../../tar/index.ts";
import { type Channel, createChannel } from "./channel.ts";
import { orderChecker } from "./entry-order.ts";
import type { KnownDirectory } from "./known-files.ts";
import { diffCopy, PACKET, type Packet } from "./methods.ts";
import type { DirectoryFilter, DirectoryOptions } from "./session.ts";
import { entryOfStat, wrong } from "./stat-entry.ts";

/** Bytes of files that are asked for and not passed on yet: clients send four at a time, mixed. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** Smaller ones are passed on when they are whole, in the size that they have by then. */
const WHOLE_BYTES = 1024 * 1024;
/**
 * A file may grow while it is read: it is cut. It may shrink: where that is known too late, zeros make up for it. By more
 * than this it is another file, or none that ends.
 */
const MAX_CHANGE_BYTES = 64 * 1024 * 1024;
/** Pieces of the archive are joined to this. */
const CHUNK_BYTES = 256 * 1024;

const NOTHING = new Uint8Array();

/** A file on its way. */
interface Coming {
  readonly id: number;
  readonly entry: TarHeaderFields & { readonly size: number };
  chunks: Uint8Array[];
  /** Of what came, with what was passed on. */
  received: number;
  isWhole: boolean;
  /** Its header was passed on. */
  isBegun: boolean;
}

/**
 * A directory of a client's as a tar archive, in the order in which the client walks it. Many files are asked for ahead,
 * so that neither side waits for the other; what they hold is bounded. Throws what `BuildkitSession.directory` says.
 */
export async function* receiveDirectory(
  connection: GrpcConnection,
  name: string,
  filter: DirectoryFilter,
  { known, signal, onProgress }: DirectoryOptions & { readonly known: KnownDirectory },
): AsyncGenerator<Uint8Array, void> {
  const requests = createChannel<{ readonly type: number; readonly id?: number }>();
  const transfer = openTransfer(requests, known);
  const batches = connection.callInBatches(diffCopy, requests, {
    metadata: metadataOf(name, filter),
    ...(signal === undefined ? {} : { signal }),
  });
  let held: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const packets of batches) {
      for (const packet of packets) transfer.take(packet);
      for (const piece of transfer.ready()) {
        held.push(piece);
        length += piece.length;
        if (length < CHUNK_BYTES) continue;
        yield Buffer.concat(held, length);
        held = [];
        length = 0;
        onProgress?.(transfer.progress());
      }
    }
  } finally {
    requests.end();
  }
  throwIfAborted(signal);
  transfer.finish();
  onProgress?.(transfer.progress());
  yield Buffer.concat([...held, TAR_END]);
}

function openTransfer(
  requests: Channel<{ readonly type: number; readonly id?: number }>,
  known: KnownDirectory,
) {
  const check = orderChecker();
  /** Entries that were told of, in order; those before `head` were passed on. */
  let queue: Coming[] = [];
  let head = 0;
  const asked = new Map<number, Coming>();
  let nextId = 0;
  let metadataBytes = 0;
  /** How many of the queue were looked at for asking, and the bytes of those that were asked for. */
  let looked = 0;
  let window = 0;
  let hasAll = false;
  let hasAskedEnd = false;
  let isEnded = false;
  let bytes = 0;

  const begin = (stat: NonNullable<Read<typeof Packet>["stat"]>): void => {
    if (hasAll) throw new PlyError("invalid", "the client sends a file after the last");
    if (nextId >= MAX_ENTRIES) throw new PlyError("limit", `the client has more than ${MAX_ENTRIES} files`);
    metadataBytes += metadataLength(stat);
    if (metadataBytes > MAX_METADATA_BYTES)
      throw new PlyError("limit", "the names and extended attributes of the client's files are too long");
    const entry = entryOfStat(stat);
    check(entry);
    const content = entry.size === 0 ? NOTHING : known.find(entry);
    const chunks = content === undefined ? [] : [content];
    const isWhole = content !== undefined;
    queue.push({ id: nextId++, entry, chunks, received: content?.length ?? 0, isWhole, isBegun: false });
  };
  const ask = (): void => {
    for (let file = queue[looked]; file !== undefined; file = queue[looked]) {
      if (!file.isWhole) {
        if (asked.size > 0 && window + file.entry.size > WINDOW_BYTES) return;
        window += file.entry.size;
        asked.set(file.id, file);
        requests.put({ type: PACKET.request, id: file.id });
      }
      looked++;
    }
  };
  const receive = (id: number, data: Uint8Array): void => {
    const file = asked.get(id);
    if (file === undefined || file.isWhole)
      throw new PlyError("invalid", `the client sends a file that it was not asked for (${id})`);
    if (data.length === 0) {
      file.isWhole = true;
      return;
    }
    const left = Math.max(file.entry.size - file.received, 0);
    file.received += data.length;
    if (file.received > file.entry.size + MAX_CHANGE_BYTES) throw wrong(file.entry.path, "more than it said");
    if (left > 0) file.chunks.push(data.subarray(0, left));
    bytes += data.length;
  };

  /** Now and then: moving the rest up takes time. */
  const forget = (): void => {
    if (head < 1000 || head < queue.length / 2) return;
    queue = queue.slice(head);
    looked -= head;
    head = 0;
  };

  return {
    take({ type, stat, id, data }: Read<typeof Packet>): void {
      if (isEnded) throw new PlyError("invalid", "the client goes on after the end");
      switch (type) {
        case PACKET.stat:
          if (stat === undefined) hasAll = true;
          else begin(stat);
          break;
        case PACKET.data:
          receive(id, data);
          break;
        case PACKET.error:
          throw new PlyError("invalid", `error from sender: ${Buffer.from(data).toString()}`);
        case PACKET.end:
          if (!hasAskedEnd) throw new PlyError("invalid", "the client ends before it has sent everything");
          isEnded = true;
          break;
        default:
          throw new PlyError("invalid", `the client sends an unknown kind of packet (${type})`);
      }
      ask();
    },
    /** What can be passed on now. */
    *ready(): Generator<Uint8Array> {
      for (let file = queue[head]; file !== undefined; file = queue[head]) {
        if (!file.isWhole && (file.entry.size <= WHOLE_BYTES || file.chunks.length === 0)) break;
        const { chunks, isBegun } = file;
        yield* passOn(file);
        if (!file.isWhole) break;
        if (asked.delete(file.id)) {
          window -= file.entry.size;
          // A copy: pieces are views of what came over the network together.
          if (!isBegun && known.wants(file.entry)) known.put(file.entry, Buffer.concat(chunks));
        }
        head++;
      }
      forget();
      ask();
      if (!hasAll || head < queue.length || hasAskedEnd) return;
      hasAskedEnd = true;
      requests.put({ type: PACKET.end });
      requests.end();
    },
    /** Throws "invalid" when something is missing. */
    finish(): void {
      if (!isEnded) throw new PlyError("invalid", "the client ended the transfer too early");
    },
    progress: () => ({ bytes, files: nextId }),
  };
}

function metadataLength({ path, linkName, xattrs }: NonNullable<Read<typeof Packet>["stat"]>): number {
  let length = path.length + linkName.length;
  for (const [name, value] of xattrs) length += name.length + value.length;
  return length;
}

/** What there is of a file, behind its header. */
function* passOn(file: Coming): Generator<Uint8Array> {
  const { entry, chunks } = file;
  const have = Math.min(file.received, entry.size);
  const size = file.isWhole && !file.isBegun ? have : entry.size;
  if (file.isWhole && size - have > MAX_CHANGE_BYTES) throw wrong(entry.path, "less than it said");
  if (!file.isBegun) yield tarHeader({ ...entry, size });
  file.isBegun = true;
  file.chunks = [];
  yield* chunks;
  if (!file.isWhole) return;
  for (let left = size - have; left > 0; left -= CHUNK_BYTES)
    yield new Uint8Array(Math.min(left, CHUNK_BYTES));
  yield tarPadding(size);
}

/** As BuildKit's clients read it: what is not ASCII is escaped, and said to be. */
function metadataOf(
  name: string,
  { include, exclude, followPaths }: DirectoryFilter,
): Record<string, readonly string[]> {
  const lists = {
    "dir-name": [name],
    "include-patterns": include,
    "exclude-patterns": exclude,
    followpaths: followPaths,
  };
  const metadata: Record<string, readonly string[]> = {};
  for (const [key, values] of Object.entries(lists)) {
    if (values === undefined || values.length === 0) continue;
    const isPlain = values.every((value) => /^[\x20-\x7e]*$/.test(value));
    metadata[key] = isPlain ? values : values.map(encodeURIComponent);
    if (!isPlain) metadata[`${key}-encoded`] = ["1"];
  }
  return metadata;
}
