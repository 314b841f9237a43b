import type { TarEntry } from "./entry.ts";
import { createTarScanner } from "./scan.ts";

export interface TarContent {
  readonly entry: TarEntry;
  /** The file's bytes, holes as zeros; may be read once, before the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** What one pushed chunk brought, in order: all data of an entry come between it and the next. */
type Piece = { readonly entry: TarEntry } | { readonly data: Uint8Array };

/**
 * Reads an archive entry by entry; content that is not read is skipped. Holds one chunk of the stream at
 * a time. Stopping early returns the stream. Throws as {@link createTarScanner} does.
 */
export async function* readTar(stream: AsyncIterable<Uint8Array>): AsyncGenerator<TarContent, void, void> {
  let pieces: Piece[] = [];
  let at = 0;
  const scanner = createTarScanner({
    onEntry: (entry) => void pieces.push({ entry }),
    onData: (data) => void pieces.push({ data }),
  });
  const source = stream[Symbol.asyncIterator]();
  let ended = false;

  /** The next piece, or undefined at the end of the archive. */
  const next = async (): Promise<Piece | undefined> => {
    while (at >= pieces.length) {
      pieces = [];
      at = 0;
      if (ended) return undefined;
      const step = await source.next();
      if (step.done === true) {
        ended = true;
        scanner.end();
      } else scanner.push(step.value);
    }
    return pieces[at++];
  };

  try {
    let piece = await next();
    while (piece !== undefined) {
      if (!("entry" in piece)) {
        piece = await next();
        continue;
      }
      const { entry } = piece;
      let isCurrent = true;
      const data = async (): Promise<Uint8Array | undefined> => {
        if (!isCurrent) throw new Error(`the content of ${JSON.stringify(entry.path)} was read too late`);
        const got = await next();
        return got !== undefined && "data" in got ? got.data : undefined;
      };
      yield { entry, content: entry.extents === undefined ? readAll(entry, data) : readSparse(entry, data) };
      isCurrent = false;
      piece = await next();
    }
  } finally {
    if (!ended) await source.return?.();
  }
}

type NextData = () => Promise<Uint8Array | undefined>;

async function* readAll(entry: TarEntry, data: NextData): AsyncGenerator<Uint8Array> {
  // Counted, so that the end of one file needs no look at the next entry.
  let left = entry.storedSize;
  while (left > 0) {
    const chunk = await data();
    if (chunk === undefined) return;
    left -= chunk.length;
    yield chunk;
  }
}

const HOLE = new Uint8Array(256 * 1024);

async function* readSparse(entry: TarEntry, data: NextData): AsyncGenerator<Uint8Array> {
  let at = 0;
  let chunk: Uint8Array = HOLE.subarray(0, 0);
  for (const extent of entry.extents ?? []) {
    yield* hole(extent.offset - at);
    let left = extent.length;
    while (left > 0) {
      if (chunk.length === 0) chunk = (await data()) ?? chunk;
      if (chunk.length === 0) return;
      const part = chunk.subarray(0, left);
      chunk = chunk.subarray(part.length);
      left -= part.length;
      yield part;
    }
    at = extent.offset + extent.length;
  }
  yield* hole(entry.size - at);
}

function* hole(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= HOLE.length) yield HOLE.subarray(0, Math.min(left, HOLE.length));
}
