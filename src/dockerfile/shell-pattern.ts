import { bad } from "./source.ts";

/** `${value#pattern}`, greedy: `##`. */
export function removePrefix(value: string, pattern: string, isGreedy: boolean): string {
  const source = regexSource(pattern, isGreedy);
  return value.replace(new RegExp(`^(?:${source})`, "su"), "");
}

/** `${value%pattern}`, greedy: `%%`. */
export function removeSuffix(value: string, pattern: string, isGreedy: boolean): string {
  const whole = new RegExp(`^(?:${regexSource(pattern, true)})$`, "su");
  const chars = Array.from(value);
  const ends = Array.from(chars, (_, n) => (isGreedy ? n : chars.length - 1 - n));
  if (!isGreedy && whole.test("")) return value;
  for (const at of ends) if (whole.test(chars.slice(at).join(""))) return chars.slice(0, at).join("");
  return value;
}

/** `${value/pattern/replacement}`, all: `//`. */
export function replacePattern(value: string, pattern: string, replacement: string, isAll: boolean): string {
  return value.replace(new RegExp(regexSource(pattern, true), isAll ? "gsu" : "su"), () => replacement);
}

/** `*` any text, `?` any character, `\` quotes the next. */
function regexSource(pattern: string, isGreedy: boolean): string {
  let source = "";
  const chars = Array.from(pattern);
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (char === "*") source += isGreedy ? ".*" : ".*?";
    else if (char === "?") source += ".";
    else if (char === "\\") {
      at++;
      const quoted = chars[at];
      if (quoted === undefined)
        throw bad(`invalid pattern ${JSON.stringify(pattern)}: it ends with an escape`);
      source += literal(quoted);
    } else source += literal(char);
  }
  return source;
}

function literal(char: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char;
}
