import { TAR_END, type TarHeaderFields, tarHeader, tarPadding } from "../../tar/index.ts";

/** One entry of a tar made for a test. Missing fields: a file 0644 (a directory 0755) of root, time 1000. */
export type Part = Partial<TarHeaderFields> & {
  readonly path: string;
  /** Content, latin1; for a sparse file the runs of data one after the other. */
  readonly content?: string;
};

/** A whole tar archive in memory. */
export function tarOf(...parts: readonly Part[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (const { content = "", ...fields } of parts) {
    const type = fields.type ?? "file";
    const bytes = Buffer.from(content, "latin1");
    const mode = type === "directory" ? 0o755 : 0o644;
    pieces.push(tarHeader({ mode, mtimeSeconds: 1000, size: bytes.length, ...fields, type }));
    pieces.push(bytes, tarPadding(bytes.length));
  }
  return Buffer.concat([...pieces, TAR_END]);
}
