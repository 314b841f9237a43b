/** Undefined and false leave a parameter out; true is `1`; a list repeats it. */
export type QueryValue = string | number | boolean | readonly string[] | undefined;

/** `?a=1&b=x`, or nothing. */
export function formatQuery(query: Readonly<Record<string, QueryValue>> = {}): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === false) continue;
    const texts = typeof value === "object" ? value : [value === true ? "1" : String(value)];
    for (const text of texts) parts.push(`${encodeURIComponent(name)}=${encodeURIComponent(text)}`);
  }
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}
