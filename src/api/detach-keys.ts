import { PlyError } from "../error.ts";

/** Takes typed bytes; gives back those for the process, and whether the user pressed the whole sequence. */
export type DetachScanner = (typed: Uint8Array) => { readonly bytes: Uint8Array; readonly detached: boolean };

/** ctrl-p, ctrl-q. */
const DEFAULT_KEYS: readonly number[] = [0x10, 0x11];

/** Docker's notation: `ctrl-p,ctrl-q`, `a,b`; null or empty: the default. Throws "invalid". */
export function parseDetachKeys(text: string | null): readonly number[] {
  if (text === null || text === "") return DEFAULT_KEYS;
  return text.split(",").map((key) => {
    if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
    // A control key is the letter without its two upper bits: ctrl-a is 1, ctrl-[ is 27.
    const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
    throw new PlyError("invalid", `invalid escape keys (${text}) provided`, {
      hint: "write them as ctrl-p,ctrl-q",
    });
  });
}

/** Holds back the beginning of the sequence until it is known to be none. */
export function detachScanner(keys: readonly number[]): DetachScanner {
  let matched = 0;
  return (typed) => {
    const out: number[] = [];
    for (const byte of typed) {
      while (matched > 0 && byte !== keys[matched]) {
        // Give back as little as lets what is still held begin the sequence anew.
        let given = 1;
        while (!isBeginning(keys.slice(given, matched), keys)) given += 1;
        out.push(...keys.slice(0, given));
        matched -= given;
      }
      if (byte === keys[matched]) matched += 1;
      else out.push(byte);
      if (matched === keys.length) {
        matched = 0;
        return { bytes: Uint8Array.from(out), detached: true };
      }
    }
    return { bytes: Uint8Array.from(out), detached: false };
  };
}

function isBeginning(held: readonly number[], keys: readonly number[]): boolean {
  return held.every((byte, index) => byte === keys[index]);
}
