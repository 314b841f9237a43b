import { createReadStream } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { TAR_END, tarHeader, tarPadding } from "../tar/index.ts";

/** Files by their path in the archive. */
export type FileContents = Readonly<
  Record<string, string | Uint8Array | { readonly content: string | Uint8Array; readonly mode?: number }>
>;

/** A tar of files that exist only here. Owner root, mode 0644 unless said otherwise. */
export async function* tarOfFiles(files: FileContents): AsyncGenerator<Uint8Array> {
  for (const [name, given] of Object.entries(files)) {
    const [path, { bytes, mode }] = fileOf(name, given);
    const mtimeSeconds = Math.floor(Date.now() / 1000);
    yield tarHeader({ path, type: "file", mode, size: bytes.length, mtimeSeconds });
    yield bytes;
    yield tarPadding(bytes.length);
  }
  yield TAR_END;
}

/** A file by its path, relative to where the archive is unpacked. */
export function fileOf(
  path: string,
  given: FileContents[string],
): readonly [path: string, file: { readonly bytes: Uint8Array; readonly mode: number }] {
  const isPlain = typeof given === "string" || given instanceof Uint8Array;
  const content = isPlain ? given : given.content;
  const mode = isPlain ? 0o644 : (given.mode ?? 0o644);
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  return [path.replace(/^(?:\.?\/+)+/, ""), { bytes, mode }];
}

/** A tar of a directory of the host: files, directories and symbolic links. */
export async function* tarOfDirectory(directory: string): AsyncGenerator<Uint8Array> {
  yield* below(directory, "");
  yield TAR_END;
}

async function* below(root: string, at: string): AsyncGenerator<Uint8Array> {
  for (const name of (await readdir(join(root, at))).sort()) {
    const path = at === "" ? name : `${at}/${name}`;
    const full = join(root, path);
    const stat = await lstat(full);
    const { uid, gid } = stat;
    const common = { mode: stat.mode & 0o7777, uid, gid, mtimeSeconds: Math.floor(stat.mtimeMs / 1000) };
    if (stat.isDirectory()) {
      yield tarHeader({ ...common, path: `${path}/`, type: "directory" });
      yield* below(root, path);
    } else if (stat.isSymbolicLink())
      yield tarHeader({ ...common, path, type: "symlink", linkTarget: await readlink(full) });
    else if (stat.isFile()) {
      yield tarHeader({ ...common, path, type: "file", size: stat.size });
      if (stat.size > 0) yield* exactly(full, stat.size);
      yield tarPadding(stat.size);
    }
  }
}

/** A file that grows meanwhile gives what the header said; one that shrinks throws. */
async function* exactly(path: string, size: number): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const chunk of createReadStream(path, { start: 0, end: size - 1 }) as AsyncIterable<Buffer>) {
    read += chunk.length;
    yield chunk;
  }
  if (read < size) throw new Error(`${path} shrank while it was read`);
}
