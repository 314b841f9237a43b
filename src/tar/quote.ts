const SHOWN_LENGTH = 120;
/** What a terminal might obey; JSON escapes the others. */
const CONTROLS = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** A byte string for people: read as UTF-8, quoted, shortened, nothing in it that a terminal obeys. For messages only. */
export function quoteBytes(bytes: string): string {
  const shown = Buffer.from(bytes.slice(0, SHOWN_LENGTH), "latin1").toString("utf8");
  return JSON.stringify(bytes.length > SHOWN_LENGTH ? `${shown}…` : shown).replace(
    CONTROLS,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
