import { PlyError } from "../error.ts";
import { TAR_END, type TarHeaderFields, tarHeader, tarPadding } from "../tar/index.ts";

/** One file of an archive to write; its size is known before its content is read. */
export interface ArchiveFile {
  readonly path: string;
  readonly size: number;
  open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** The same image gives the same archive: nothing of the time, the user or the machine gets in. */
const FIXED: Pick<TarHeaderFields, "uid" | "gid" | "mtimeSeconds"> = { uid: 0, gid: 0, mtimeSeconds: 0 };

/** A tar of directories and files in the order given. Read at the reader's pace. Throws "corrupt" where a size was wrong. */
export async function* writeArchive(
  members: Iterable<ArchiveFile | { readonly directory: string }>,
): AsyncGenerator<Uint8Array> {
  for (const member of members) {
    if ("directory" in member) {
      yield tarHeader({ ...FIXED, path: `${member.directory}/`, type: "directory", mode: 0o755 });
      continue;
    }
    yield tarHeader({ ...FIXED, path: member.path, type: "file", mode: 0o644, size: member.size });
    let written = 0;
    for await (const chunk of member.open()) {
      written += chunk.length;
      if (written > member.size) break;
      yield chunk;
    }
    if (written !== member.size)
      throw new PlyError(
        "corrupt",
        `${member.path} is ${written > member.size ? "longer" : "shorter"} than the ${member.size} bytes it should have`,
      );
    const padding = tarPadding(member.size);
    if (padding.length > 0) yield padding;
  }
  yield TAR_END;
}
