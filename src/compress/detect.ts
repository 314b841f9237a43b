import { PlyError } from "../error.ts";

/** How a stream of bytes is compressed. */
export type Compression = "none" | "gzip" | "zstd";

/** Bytes of a stream's start that {@link detectCompression} wants to see (fewer if the stream is shorter). */
export const DETECT_BYTES = 10;

/** Magic numbers of what we know and refuse; bzip2's goes on to its first block, since "BZh" may begin a file name. */
const REFUSED: readonly {
  readonly name: string;
  readonly tool: string;
  readonly magic: readonly (number | null)[];
}[] = [
  { name: "bzip2", tool: "bunzip2", magic: [0x42, 0x5a, 0x68, null, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59] },
  { name: "xz", tool: "unxz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { name: "lz4", tool: "unlz4", magic: [0x04, 0x22, 0x4d, 0x18] },
  { name: "lzip", tool: "lzip -d", magic: [0x4c, 0x5a, 0x49, 0x50, 0x01] },
  { name: "compress (.Z)", tool: "uncompress", magic: [0x1f, 0x9d] },
  { name: "zip", tool: "unzip", magic: [0x50, 0x4b, 0x03, 0x04] },
];

/**
 * Tells by its first bytes how a stream is compressed; what has no magic number is "none".
 * Throws "unsupported" for bzip2, xz, lz4, lzip, compress and zip.
 */
export function detectCompression(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  if (startsWith(head, [0x28, 0xb5, 0x2f, 0xfd])) return "zstd";
  // A skippable frame, which may come before the first real one (RFC 8878, 3.1.2).
  if (startsWith(head.subarray(1), [0x2a, 0x4d, 0x18]) && ((head[0] ?? 0) & 0xf0) === 0x50) return "zstd";
  for (const { name, tool, magic } of REFUSED)
    if (startsWith(head, magic))
      throw new PlyError("unsupported", `this is compressed with ${name}, which is not supported`, {
        hint: `gzip, zstd and plain tar are: unpack it with ${tool} first`,
      });
  return "none";
}

function startsWith(bytes: Uint8Array, magic: readonly (number | null)[]): boolean {
  return bytes.length >= magic.length && magic.every((byte, i) => byte === null || bytes[i] === byte);
}
