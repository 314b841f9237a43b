import { PlyError } from "../error.ts";
import {
  alignUp,
  MAX_NAME_LENGTH,
  MAX_XATTR_BODY,
  XATTR_ENTRY_LENGTH,
  XATTR_HEADER_LENGTH,
  XATTR_PREFIXES,
} from "./format.ts";

const ENTRY_ALIGNMENT = 4;
const MAX_VALUE_LENGTH = 0xffff;

/** An extended attribute as it is stored: the index stands for the prefix that `rest` lacks. */
interface StoredName {
  readonly index: number;
  readonly rest: string;
}

/** Undefined when the format has no place for such a name. */
function storedName(name: string): StoredName | undefined {
  for (const [index, prefix, whole] of XATTR_PREFIXES) {
    if (whole ? name === prefix : name.startsWith(prefix)) return { index, rest: name.slice(prefix.length) };
  }
  return undefined;
}

/**
 * Bytes that these attributes take behind an inode; 0 for none. Names outside `user.`, `trusted.`,
 * `security.` and the two POSIX ACLs cannot be represented and are left out. Throws "limit".
 */
export function xattrBodyLength(xattrs: ReadonlyMap<string, Uint8Array>): number {
  if (xattrs.size === 0) return 0;
  let length = XATTR_HEADER_LENGTH;
  for (const [name, value] of xattrs) {
    const stored = storedName(name);
    if (stored === undefined) continue;
    if (stored.rest.length > MAX_NAME_LENGTH || value.length > MAX_VALUE_LENGTH)
      throw new PlyError(
        "limit",
        `extended attribute ${JSON.stringify(name)} (${value.length} bytes) is too large for EROFS`,
      );
    length += alignUp(XATTR_ENTRY_LENGTH + stored.rest.length + value.length, ENTRY_ALIGNMENT);
  }
  if (length > MAX_XATTR_BODY)
    throw new PlyError(
      "limit",
      `${length} bytes of extended attributes on one inode, over ${MAX_XATTR_BODY}`,
    );
  return length === XATTR_HEADER_LENGTH ? 0 : length;
}

/** The inode's `i_xattr_icount` for a body of this length. */
export function xattrCountOf(bodyLength: number): number {
  return bodyLength === 0 ? 0 : 1 + (bodyLength - XATTR_HEADER_LENGTH) / ENTRY_ALIGNMENT;
}

/** The other way round: bytes behind an inode. */
export function xattrLengthOf(count: number): number {
  return count === 0 ? 0 : XATTR_HEADER_LENGTH + (count - 1) * ENTRY_ALIGNMENT;
}

/** Writes the body (its header is all zeros) at `at`, where the image is zero. */
export function writeXattrs(image: Uint8Array, at: number, xattrs: ReadonlyMap<string, Uint8Array>): void {
  let next = at + XATTR_HEADER_LENGTH;
  for (const [name, value] of xattrs) {
    const stored = storedName(name);
    if (stored === undefined) continue;
    image[next] = stored.rest.length;
    image[next + 1] = stored.index;
    image[next + 2] = value.length & 0xff;
    image[next + 3] = value.length >>> 8;
    next += XATTR_ENTRY_LENGTH;
    for (let n = 0; n < stored.rest.length; n++) image[next + n] = stored.rest.charCodeAt(n);
    image.set(value, next + stored.rest.length);
    next = at + alignUp(next - at + stored.rest.length + value.length, ENTRY_ALIGNMENT);
  }
}

/** One entry at `at`; undefined when it reaches past the bytes or its prefix is unknown. */
export function readXattrEntry(
  bytes: Uint8Array,
  at: number,
): { readonly name: string; readonly value: Uint8Array; readonly end: number } | undefined {
  if (at + XATTR_ENTRY_LENGTH > bytes.length) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const nameEnd = at + XATTR_ENTRY_LENGTH + view.readUInt8(at);
  const end = nameEnd + view.readUInt16LE(at + 2);
  const prefix = XATTR_PREFIXES.find(([index]) => index === view.readUInt8(at + 1));
  if (end > bytes.length || prefix === undefined) return undefined;
  const rest = view.toString("latin1", at + XATTR_ENTRY_LENGTH, nameEnd);
  return { name: prefix[1] + rest, value: new Uint8Array(bytes.subarray(nameEnd, end)), end };
}
