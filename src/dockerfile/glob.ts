/**
 * One part of a pattern of ours. `char` and `one` stand for one character, `many` for any number of them, `maybe` for
 * nothing or the two parts that follow it.
 */
export type GlobPart =
  | { readonly kind: "char"; readonly code: number }
  | { readonly kind: "one"; readonly fits: (code: number) => boolean }
  | { readonly kind: "many"; readonly stopsAtSlash: boolean }
  | { readonly kind: "maybe" };

export const SLASH = 0x2f;

export const ANYTHING: GlobPart = { kind: "many", stopsAtSlash: false };

export function charPart(char: string): GlobPart {
  return { kind: "char", code: char.codePointAt(0) ?? 0 };
}

/**
 * Reads `text` with all ways to match at once, so that no pattern takes longer than pattern × text. `isEnough` hears of
 * each place where a match that begins with the text can end, the nearest first, until it says true. Returns whether the
 * text was read to its end and more of it could match still.
 */
export function followGlob(
  parts: readonly GlobPart[],
  text: string,
  from: number,
  isEnough: (end: number) => boolean,
): boolean {
  // Where each part was last begun at, plus one; after the last part the whole matches.
  const begunAt = new Int32Array(parts.length + 1);
  let now: number[] = [];
  let next: number[] = [];
  // What comes before a star that takes anything leads to nothing that the star does not.
  let first = 0;
  const begin = (from: number, at: number): void => {
    for (let part = from; begunAt[part] !== at + 1; part++) {
      begunAt[part] = at + 1;
      const begun = parts[part];
      if (begun?.kind === "maybe") {
        begin(part + 1, at);
        part += 2;
        continue;
      }
      if (begun !== undefined) next.push(part);
      if (begun?.kind !== "many") return;
      if (!begun.stopsAtSlash && parts[part - 1]?.kind !== "maybe" && part > first) first = part;
    }
  };
  begin(0, from);
  for (let at = from; ; ) {
    if (begunAt[parts.length] === at + 1 && isEnough(at)) return false;
    [now, next] = [next, now];
    next.length = 0;
    const code = text.codePointAt(at);
    if (code === undefined || now.length === 0) return now.length > 0;
    at += code > 0xffff ? 2 : 1;
    for (const part of now) {
      const wanted = part < first ? undefined : parts[part];
      if (wanted?.kind === "many") {
        if (code !== SLASH || !wanted.stopsAtSlash) begin(part, at);
      } else if (wanted?.kind === "char" ? wanted.code === code : wanted?.kind === "one" && wanted.fits(code))
        begin(part + 1, at);
    }
  }
}
