/** Headers of a call by their names in lower case, each value apart; those that end in `-bin` are base64. */
export type Metadata = ReadonlyMap<string, readonly string[]>;

/** Headers as they came: name, value, name, value. Those of HTTP/2 itself are left out. */
export function metadataOf(rawHeaders: readonly string[]): Metadata {
  const metadata = new Map<string, string[]>();
  for (let n = 0; n + 1 < rawHeaders.length; n += 2) {
    const name = rawHeaders[n] ?? "";
    if (name.startsWith(":")) continue;
    const values = metadata.get(name);
    if (values === undefined) metadata.set(name, [rawHeaders[n + 1] ?? ""]);
    else values.push(rawHeaders[n + 1] ?? "");
  }
  return metadata;
}
