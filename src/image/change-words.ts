import { PlyError } from "../error.ts";

/** Looks a variable up: the image's environment. */
export type Lookup = (name: string) => string | undefined;

/**
 * Splits a line into words at blanks, as Dockerfile instructions do: quotes keep blanks, a backslash keeps the
 * next character. Quotes and backslashes stay in the words: {@link expandWord} takes them off.
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (quote === "" && /\s/.test(character)) {
      if (word !== "") words.push(word);
      word = "";
      continue;
    }
    word += character;
    if (character === "\\" && quote !== "'") {
      at++;
      word += text.charAt(at);
    } else if (quote === "" && (character === '"' || character === "'")) quote = character;
    else if (character === quote) quote = "";
  }
  if (quote !== "")
    throw new PlyError(
      "invalid",
      `unexpected end of statement while looking for matching ${quote === '"' ? "double-quote" : "single-quote"}: ${text}`,
    );
  if (word !== "") words.push(word);
  return words;
}

/**
 * Takes quotes and backslashes off a word and puts variables in: `$NAME`, `${NAME}`, `${NAME:-default}`,
 * `${NAME:+other}`; none within single quotes (Dockerfile reference, "Environment replacement").
 */
export function expandWord(word: string, lookup: Lookup): string {
  const reader = { text: word, at: 0 };
  const result = readUntil(reader, "", lookup);
  return result;
}

interface Reader {
  readonly text: string;
  at: number;
}

function readUntil(reader: Reader, end: string, lookup: Lookup): string {
  let result = "";
  let doubleQuoted = false;
  while (reader.at < reader.text.length) {
    const character = reader.text.charAt(reader.at++);
    if (character === end && !doubleQuoted) return result;
    if (character === "'" && !doubleQuoted) {
      const close = reader.text.indexOf("'", reader.at);
      if (close < 0)
        throw new PlyError(
          "invalid",
          `unexpected end of statement while looking for matching single-quote: ${reader.text}`,
        );
      result += reader.text.slice(reader.at, close);
      reader.at = close + 1;
    } else if (character === '"') doubleQuoted = !doubleQuoted;
    else if (character === "\\") result += escaped(reader, doubleQuoted);
    else if (character === "$") result += variable(reader, lookup);
    else result += character;
  }
  if (doubleQuoted)
    throw new PlyError(
      "invalid",
      `unexpected end of statement while looking for matching double-quote: ${reader.text}`,
    );
  if (end !== "") throw new PlyError("invalid", `missing '${end}' in ${JSON.stringify(reader.text)}`);
  return result;
}

function escaped(reader: Reader, doubleQuoted: boolean): string {
  if (reader.at >= reader.text.length) return "\\";
  const next = reader.text.charAt(reader.at++);
  // Within double quotes a backslash means something only before these.
  return doubleQuoted && next !== '"' && next !== "$" && next !== "\\" ? `\\${next}` : next;
}

function variable(reader: Reader, lookup: Lookup): string {
  if (reader.text.charAt(reader.at) !== "{") {
    const name = /^[A-Za-z_][A-Za-z0-9_]*|^[0-9]/.exec(reader.text.slice(reader.at))?.[0];
    if (name === undefined) return "$";
    reader.at += name.length;
    return lookup(name) ?? "";
  }
  reader.at++;
  const name = /^[A-Za-z_][A-Za-z0-9_]*/.exec(reader.text.slice(reader.at))?.[0];
  if (name === undefined)
    throw new PlyError("invalid", `invalid variable in ${JSON.stringify(reader.text)}: no name after "\${"`);
  reader.at += name.length;
  const value = lookup(name);
  const mark = reader.text.charAt(reader.at);
  if (mark === "}") {
    reader.at++;
    return value ?? "";
  }
  const colon = mark === ":";
  const kind = reader.text.charAt(reader.at + (colon ? 1 : 0));
  if (kind !== "-" && kind !== "+")
    throw new PlyError("invalid", `unsupported modifier (${kind}) in substitution: ${reader.text}`);
  reader.at += colon ? 2 : 1;
  const word = readUntil(reader, "}", lookup);
  const isSet = value !== undefined && !(colon && value === "");
  return kind === "-" ? (isSet ? (value ?? "") : word) : isSet ? word : "";
}
