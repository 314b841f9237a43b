import { bad } from "./source.ts";

/** Blanks as Dockerfiles part words by; no line feed can be among them. */
const BLANKS = /[ \t\v\f\r]+/;

/** Words at blanks, quotes or not. */
export function splitBlanks(text: string): string[] {
  return text
    .trim()
    .split(BLANKS)
    .filter((word) => word !== "");
}

/** The first word and all that follows it. */
export function firstWord(text: string): readonly [string, string] {
  const trimmed = text.trim();
  const match = BLANKS.exec(trimmed);
  if (match === null) return [trimmed, ""];
  return [trimmed.slice(0, match.index), trimmed.slice(match.index + match[0].length)];
}

/** Words at blanks outside quotes; quotes and escapes stay in them, for `expandWord` to take off. */
export function splitQuoted(text: string, escapeToken: string): string[] {
  const words: string[] = [];
  let word = "";
  let isOpen = false;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote === "" && /\s/.test(char)) {
      if (isOpen) words.push(word);
      word = "";
      isOpen = false;
      continue;
    }
    isOpen = true;
    if (char === escapeToken && quote !== "'") {
      // One at the very end escapes nothing.
      if (at + 1 < text.length) word += char + text.charAt(++at);
      continue;
    }
    if (quote === "" && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = "";
    word += char;
  }
  if (isOpen && word !== "") words.push(word);
  return words;
}

/**
 * The strings of a JSON array; undefined when the text is no JSON array (then it is in shell form). What follows the
 * array is not looked at, as in Docker. Throws for an array of anything else than strings.
 */
export function jsonStrings(text: string): string[] | undefined {
  const trimmed = text.trimStart();
  if (!trimmed.startsWith("[")) return undefined;
  const value = leadingJson(trimmed);
  if (!Array.isArray(value)) return undefined;
  if (!value.every((item) => typeof item === "string"))
    throw bad("when using JSON array syntax, arrays must be comprised of strings only");
  return value;
}

/** The JSON value that a text begins with. */
function leadingJson(text: string): unknown {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (inString) {
      if (char === "\\") at++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "[" || char === "{") depth++;
    else if ((char === "]" || char === "}") && --depth === 0) {
      try {
        return JSON.parse(text.slice(0, at + 1));
      } catch {
        return undefined;
      }
    }
  }
  return undefined;
}

/** `key=value` words, or the old form `key everything that follows`; values as written. */
export function keyValues(
  name: string,
  text: string,
  escapeToken: string,
): { readonly pairs: readonly (readonly [string, string])[]; readonly isOldForm: boolean } {
  const words = splitQuoted(text, escapeToken);
  const [first] = words;
  if (first === undefined) throw bad(`${name} requires at least one argument`);
  if (!first.includes("=")) {
    const [key, value] = firstWord(text);
    if (value === "") throw bad(`${name} must have two arguments`);
    return { pairs: [[key, value]], isOldForm: true };
  }
  const pairs = words.map((word) => {
    const equals = word.indexOf("=");
    if (equals < 0)
      throw bad(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    if (equals === 0) throw bad(`${name} names can not be blank`);
    return [word.slice(0, equals), word.slice(equals + 1)] as const;
  });
  return { pairs, isOldForm: false };
}
