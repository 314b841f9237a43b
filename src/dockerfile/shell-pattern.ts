import { ANYTHING, charPart, followGlob, type GlobPart } from "./glob.ts";
import { bad } from "./source.ts";

/** `${value#pattern}`, greedy: `##`. */
export function removePrefix(value: string, pattern: string, isGreedy: boolean): string {
  return value.slice(matchedLength(shellParts(pattern), value, isGreedy));
}

/** `${value%pattern}`, greedy: `%%`. */
export function removeSuffix(value: string, pattern: string, isGreedy: boolean): string {
  const length = matchedLength(shellParts(pattern).reverse(), mirrored(value), isGreedy);
  return value.slice(0, value.length - length);
}

/** `${value/pattern/replacement}`, all: `//`. Of the matches that begin first the longest, and no empty one right behind another. */
export function replacePattern(value: string, pattern: string, replacement: string, isAll: boolean): string {
  const parts = shellParts(pattern);
  let text = "";
  let done = 0;
  let lastEnd = -1;
  for (const start of startsOf(parts, value)) {
    if (start < lastEnd) continue;
    const end = start + matchedLength(parts, value, true, start);
    if (start === lastEnd && end === start) continue;
    text += value.slice(done, start) + replacement;
    done = end;
    lastEnd = end;
    if (!isAll) break;
  }
  return text + value.slice(done);
}

/** All places where a match begins: where, read from behind, one ends. */
function startsOf(parts: readonly GlobPart[], value: string): number[] {
  const starts: number[] = [];
  followGlob([ANYTHING, ...parts.toReversed()], mirrored(value), 0, (end) => {
    starts.push(value.length - end);
    return false;
  });
  return starts.reverse();
}

/** How much of the text from a place on matches: the least, greedy the most; 0 when nothing does. */
function matchedLength(parts: readonly GlobPart[], value: string, isGreedy: boolean, from = 0): number {
  let length = 0;
  followGlob(parts, value, from, (end) => {
    length = end - from;
    return !isGreedy;
  });
  return length;
}

function mirrored(text: string): string {
  return Array.from(text).reverse().join("");
}

/** `*` any text, `?` any character, `\` quotes the next. */
function shellParts(pattern: string): GlobPart[] {
  const parts: GlobPart[] = [];
  const chars = Array.from(pattern);
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (char === "*") parts.push(ANYTHING);
    else if (char === "?") parts.push({ kind: "one", fits: () => true });
    else if (char === "\\") {
      at++;
      const quoted = chars[at];
      if (quoted === undefined)
        throw bad(`invalid pattern ${JSON.stringify(pattern)}: it ends with an escape`);
      parts.push(charPart(quoted));
    } else parts.push(charPart(char));
  }
  return parts;
}
