import { systemCall, systemCallError, trySystemCall } from "./libc.ts";
import { cString, type Path, pathText } from "./path.ts";

/** The kernel's bounds: XATTR_LIST_MAX and XATTR_SIZE_MAX. */
const XATTR_LIMIT = 65_536;
/** Most values fit; a larger one costs a second call. */
const FIRST_TRY = 512;

const nothing: ReadonlyMap<string, Uint8Array> = new Map();

/**
 * All extended attributes of a path, links not followed: full name as a byte string (latin1) → value.
 * Empty where the filesystem has none.
 */
export function lgetxattrs(path: Path): ReadonlyMap<string, Uint8Array> {
  const cPath = cString(path);
  const names = readGrowing("llistxattr", path, (buffer) =>
    trySystemCall("llistxattr", cPath, buffer, buffer.length),
  );
  if (names === undefined || names.length === 0) return nothing;
  const found = new Map<string, Uint8Array>();
  for (const name of names.toString("latin1").split("\0")) {
    if (name === "") continue;
    const cName = Buffer.from(`${name}\0`, "latin1");
    const value = readGrowing("lgetxattr", path, (buffer) =>
      trySystemCall("lgetxattr", cPath, cName, buffer, buffer.length),
    );
    if (value !== undefined) found.set(name, new Uint8Array(value));
  }
  return found;
}

/** One extended attribute, links not followed; undefined when it is not there. `name` is a byte string. */
export function lgetxattr(path: Path, name: string): Uint8Array | undefined {
  const cPath = cString(path);
  const cName = cString(Buffer.from(name, "latin1"));
  const value = readGrowing("lgetxattr", path, (buffer) =>
    trySystemCall("lgetxattr", cPath, cName, buffer, buffer.length),
  );
  return value === undefined ? undefined : new Uint8Array(value);
}

/** Sets one extended attribute, links not followed. `name` is a byte string. */
export function lsetxattr(path: Path, name: string, value: Uint8Array): void {
  const cName = cString(Buffer.from(name, "latin1"));
  systemCall("lsetxattr", pathText(path), cString(path), cName, value, value.length, 0);
}

/** Removes one extended attribute, links not followed. Throws "not-found" when it is not there. */
export function lremovexattr(path: Path, name: string): void {
  systemCall("lremovexattr", pathText(path), cString(path), cString(Buffer.from(name, "latin1")));
}

/** Undefined when there is nothing to read (ENODATA, or a filesystem without attributes). */
function readGrowing(call: string, path: Path, read: (buffer: Buffer) => number): Buffer | undefined {
  for (const size of [FIRST_TRY, XATTR_LIMIT]) {
    const buffer = Buffer.allocUnsafe(size);
    const length = read(buffer);
    if (length >= 0) return buffer.subarray(0, length);
    const error = systemCallError(call, -length, pathText(path));
    const code = error.details["code"];
    if (code === "ENODATA" || code === "ENOTSUP" || code === "EOPNOTSUPP") return undefined;
    if (code !== "ERANGE" || size === XATTR_LIMIT) throw error;
  }
  return undefined;
}
