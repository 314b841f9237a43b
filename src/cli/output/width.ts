/** Terminal columns a text takes; escape sequences and combining marks take none, CJK and emoji two. */
export function widthOf(text: string): number {
  return Bun.stringWidth(text);
}

/** The text cut to this many columns, with an ellipsis where something was lost. */
export function truncate(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  if (columns <= 1) return columns === 1 ? "…" : "";
  let cut = "";
  let used = 0;
  for (const character of text) {
    const width = widthOf(character);
    if (used + width > columns - 1) break;
    cut += character;
    used += width;
  }
  return `${cut}…`;
}

const ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": " " };

/** Text from a registry or an image, made safe for a terminal: no escape sequence, no line break. */
export function printable(text: string): string {
  return UNPRINTABLE.test(text) ? escapeUnprintable(text) : text;
}

const UNPRINTABLE = /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

function escapeUnprintable(text: string): string {
  return text.replace(
    /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g,
    (character) => ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
