import { ANYTHING, charPart, followGlob, type GlobPart, SLASH } from "./glob.ts";
import { bad } from "./source.ts";

/** A pattern for paths that are relative, with `/` between names. */
export interface PathPattern {
  /** Whether it matches the path. */
  test(path: string): boolean;
  /** Whether it matches the path or a directory that it lies in. */
  testWithin(path: string): boolean;
  /** Whether there are paths below a directory that it matches. */
  mayMatchBelow(directory: string): boolean;
}

/**
 * A pattern as moby's patternmatcher reads it: `*` and `?` stop at `/`, `**` does not, `**` followed by a slash stands
 * for any directories or none, `[…]` are classes, `\` quotes. The empty one matches no path. Throws "invalid".
 */
export function compilePattern(pattern: string): PathPattern {
  const parts = pathParts(pattern);
  const wildAt = parts.findIndex(({ kind }) => kind !== "char");
  const begun = wildAt < 0 ? parts.length : wildAt;
  const rest = parts.slice(begun);
  // What a path must have is looked for first: most have it not.
  const beginning = runsOf(parts.slice(0, begun)).join("");
  const needed = runsOf(rest).reduce((longest, run) => (run.length > longest.length ? run : longest), "");
  const endsAt = (path: string, isEnd: (end: number) => boolean): boolean => {
    if (pattern === "" || !path.startsWith(beginning) || !path.includes(needed, beginning.length))
      return false;
    if (rest.length === 0) return isEnd(beginning.length);
    let isMatch = false;
    followGlob(rest, path, beginning.length, (end) => {
      isMatch = isEnd(end);
      return isMatch;
    });
    return isMatch;
  };
  return {
    test: (path) => endsAt(path, (end) => end === path.length),
    testWithin: (path) =>
      endsAt(path, (end) => end === path.length || (end > 0 && path.charCodeAt(end) === SLASH)),
    mayMatchBelow: (directory) => followGlob(parts, `${directory}/`, 0, () => false),
  };
}

/** The characters that stand together and that every match has. */
function runsOf(parts: readonly GlobPart[]): string[] {
  const runs: string[] = [];
  let run = "";
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at];
    if (part?.kind === "char") run += String.fromCodePoint(part.code);
    else {
      runs.push(run);
      run = "";
      if (part?.kind === "maybe") at += 2;
    }
  }
  return [...runs, run];
}

function pathParts(pattern: string): GlobPart[] {
  const parts: GlobPart[] = [];
  const malformed = () => bad(`syntax error in pattern ${JSON.stringify(pattern)}`);
  const chars = Array.from(pattern);
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (char === "*" && chars[at + 1] === "*") {
      at++;
      if (chars[at + 1] === "/") at++;
      if (at + 1 < chars.length) parts.push({ kind: "maybe" }, ANYTHING, charPart("/"));
      else parts.push(ANYTHING);
    } else if (char === "*") parts.push({ kind: "many", stopsAtSlash: true });
    else if (char === "?") parts.push({ kind: "one", fits: (code) => code !== SLASH });
    else if (char === "[") {
      const end = classEnd(chars, at);
      const fits = end < 0 ? undefined : classOf(chars.slice(at + 1, end));
      if (fits === undefined) throw malformed();
      parts.push({ kind: "one", fits });
      at = end;
    } else if (char === "\\") {
      const quoted = chars[++at];
      if (quoted === undefined) throw malformed();
      parts.push(charPart(quoted));
    } else parts.push(charPart(char));
  }
  return parts;
}

function classEnd(chars: readonly string[], start: number): number {
  for (let at = start + 1; at < chars.length; at++) {
    if (chars[at] === "\\") at++;
    else if (chars[at] === "]" && at > start + 1) return at;
  }
  return -1;
}

/** What a class stands for, never the slash; undefined: a range of it ends before it begins. */
function classOf(chars: readonly string[]): ((code: number) => boolean) | undefined {
  const isNegated = chars[0] === "^";
  const members: { readonly code: number; readonly isDash: boolean }[] = [];
  for (let at = isNegated ? 1 : 0; at < chars.length; at++) {
    const isQuoted = chars[at] === "\\";
    const char = (isQuoted ? chars[++at] : chars[at]) ?? "";
    members.push({ code: char.codePointAt(0) ?? 0, isDash: char === "-" && !isQuoted });
  }
  const ranges: (readonly [low: number, high: number])[] = [];
  for (let at = 0; at < members.length; at++) {
    const low = members[at]?.code ?? 0;
    const end = members[at + 1]?.isDash ? members[at + 2] : undefined;
    if (end !== undefined) at += 2;
    const high = end?.code ?? low;
    if (high < low) return undefined;
    ranges.push([low, high]);
  }
  return (code) => code !== SLASH && ranges.some(([low, high]) => low <= code && code <= high) !== isNegated;
}
