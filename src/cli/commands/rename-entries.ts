import {
  byteString,
  createTarScanner,
  TAR_END,
  type TarEntry,
  tarHeader,
  tarPadding,
} from "../../tar/index.ts";

/**
 * An archive whose entries' paths begin with `to` where they began with `from`, hard links' targets too; `/` as
 * `from` stands for the empty beginning of all of them. Data pass through as they are, sparse files stay sparse.
 */
export async function* renameEntries(
  archive: AsyncIterable<Uint8Array>,
  from: string,
  to: string,
): AsyncGenerator<Uint8Array, void, void> {
  const old = from === "/" ? "" : byteString(from);
  const rename = (path: string): string =>
    path.startsWith(old) ? byteString(to) + path.slice(old.length) : path;
  let pieces: Uint8Array[] = [];
  let padding: Uint8Array | undefined;
  const scanner = createTarScanner({
    onEntry(entry) {
      if (padding !== undefined) pieces.push(padding);
      pieces.push(tarHeader(renamed(entry, rename)));
      padding = tarPadding(entry.storedSize);
    },
    // Views of the chunk, which is its reader's until the next one is asked for.
    onData: (data) => void pieces.push(data),
  });
  for await (const chunk of archive) {
    scanner.push(chunk);
    const [first] = pieces;
    if (first === undefined) continue;
    yield pieces.length === 1 ? first : Buffer.concat(pieces);
    pieces = [];
  }
  scanner.end();
  if (padding !== undefined) pieces.push(padding);
  yield Buffer.concat([...pieces, TAR_END]);
}

function renamed(entry: TarEntry, rename: (path: string) => string): TarEntry {
  const path = rename(entry.path);
  return entry.type === "hardlink"
    ? { ...entry, path, linkTarget: rename(entry.linkTarget) }
    : { ...entry, path };
}
