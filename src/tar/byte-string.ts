/** Text as the byte string (its UTF-8, a character for each byte) that names in archives and layers are. */
export function byteString(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** A byte string as people read it. */
export function shownPath(path: string): string {
  return bytesOf(path).toString("utf8");
}

/** A byte string as bytes. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
