import { PlyError } from "../error.ts";
import { familiarName, familiarString, type Reference } from "./reference.ts";

/**
 * True when a filter pattern names this reference as Docker's `reference=` filter does: the pattern is held
 * against the familiar name with tag or digest, then against the familiar name alone.
 */
export function familiarMatch(pattern: string, reference: Reference): boolean {
  return (
    matchPath(pattern, familiarString(reference)) ||
    matchPath(pattern, familiarName(reference)) ||
    // A reference with both is known to users by either.
    (reference.tag !== undefined &&
      reference.digest !== undefined &&
      matchPath(pattern, `${familiarName(reference)}:${reference.tag}`))
  );
}

type Token =
  | { readonly kind: "star" }
  | {
      readonly kind: "one";
      /** Inclusive code point ranges; undefined: any but `/`. */
      readonly ranges?: readonly (readonly [number, number])[];
      readonly negated?: boolean;
    };

/**
 * Go's path.Match: `*` and `?` stop at `/`, `[a-z]`, `[^a-z]`, `\` quotes. The whole text must match.
 * Throws "invalid" for a malformed pattern. Time is bounded by pattern × text.
 */
export function matchPath(pattern: string, text: string): boolean {
  const tokens = tokenize(pattern);
  const points = Array.from(text, (char) => char.codePointAt(0) ?? 0);
  let token = 0;
  let point = 0;
  let star: { token: number; point: number } | undefined;
  while (point < points.length || token < tokens.length) {
    const wanted = tokens[token];
    if (wanted?.kind === "star") {
      star = { token, point };
      token++;
      continue;
    }
    const given = points[point];
    if (wanted !== undefined && given !== undefined && matchesOne(wanted, given)) {
      token++;
      point++;
      continue;
    }
    // Only the last star may need to grow: a shorter match of an earlier one leaves it more room.
    const swallowed = star === undefined ? undefined : points[star.point];
    if (star === undefined || swallowed === undefined || swallowed === SLASH) return false;
    star.point++;
    token = star.token + 1;
    point = star.point;
  }
  return true;
}

const SLASH = 0x2f;

function matchesOne(token: Token & { kind: "one" }, point: number): boolean {
  if (token.ranges === undefined) return point !== SLASH;
  return token.ranges.some(([low, high]) => low <= point && point <= high) !== (token.negated ?? false);
}

function tokenize(pattern: string): Token[] {
  const chars = Array.from(pattern);
  const tokens: Token[] = [];
  let i = 0;
  const bad = (why: string): PlyError =>
    new PlyError("invalid", `syntax error in pattern ${JSON.stringify(pattern)}: ${why}`);
  const take = (): number => {
    const char = chars[i++];
    if (char === undefined) throw bad("it ends too early");
    return char.codePointAt(0) ?? 0;
  };
  const takeQuoted = (): number => {
    if (chars[i] === "\\") i++;
    return take();
  };
  const takeClass = (): Token => {
    const negated = chars[i] === "^";
    if (negated) i++;
    const ranges: [number, number][] = [];
    while (chars[i] !== "]" || ranges.length === 0) {
      if (chars[i] === "]" || chars[i] === "-") throw bad("a bracket is empty or starts with '-'");
      const low = takeQuoted();
      let high = low;
      if (chars[i] === "-") {
        i++;
        if (chars[i] === "]" || chars[i] === "-") throw bad("a range has no end");
        high = takeQuoted();
      }
      ranges.push([low, high]);
    }
    i++;
    return { kind: "one", ranges, negated };
  };
  while (i < chars.length) {
    const char = chars[i];
    if (char === "*" || char === "?") {
      i++;
      tokens.push(char === "*" ? { kind: "star" } : { kind: "one" });
    } else if (char === "[") {
      i++;
      tokens.push(takeClass());
    } else {
      const literal = takeQuoted();
      tokens.push({ kind: "one", ranges: [[literal, literal]] });
    }
  }
  return tokens;
}
