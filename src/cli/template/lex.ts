import { parseError } from "./error.ts";

/** A piece of an action. `at` is its offset in the source. */
export type Token =
  | { readonly kind: "text"; readonly at: number; readonly text: string }
  | {
      readonly kind: "open" | "close" | "space" | "pipe" | "(" | ")" | "," | "=" | ":=" | "dot";
      readonly at: number;
    }
  | { readonly kind: "field" | "variable" | "word"; readonly at: number; readonly text: string }
  | { readonly kind: "string"; readonly at: number; readonly text: string }
  | { readonly kind: "number"; readonly at: number; readonly value: number };

const SPACE = /[ \t\r\n]/;
const NAME_START = /[\p{L}_]/u;
const NAME = /[\p{L}\p{N}_]*/uy;
const NUMBER =
  /[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y;

/** Splits a template into text and the tokens of its actions; trim markers are applied, comments dropped. */
export function lex(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trimNext = false;
  while (at <= source.length) {
    const open = source.indexOf("{{", at);
    const textEnd = open < 0 ? source.length : open;
    const trimsBefore = open >= 0 && source[open + 2] === "-" && SPACE.test(source[open + 3] ?? "");
    let text = source.slice(at, textEnd);
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, "");
    if (trimsBefore) text = text.replace(/[ \t\r\n]+$/, "");
    if (text !== "") tokens.push({ kind: "text", at, text });
    if (open < 0) break;
    const start = open + (trimsBefore ? 4 : 2);
    const end = source.startsWith("/*", start)
      ? skipComment(source, start, open)
      : lexAction(source, start, open, tokens);
    trimNext = end.trims;
    at = end.at;
  }
  return tokens;
}

interface ActionEnd {
  /** After the closing braces. */
  readonly at: number;
  readonly trims: boolean;
}

function skipComment(source: string, start: number, open: number): ActionEnd {
  const end = source.indexOf("*/", start);
  if (end < 0) throw parseError(source, open, "unclosed comment");
  const close = actionEndAt(source, end + 2);
  if (close === undefined) throw parseError(source, open, "comment ends before closing delimiter");
  return close;
}

/** The end of the action when it is here: `}}`, or ` -}}`. */
function actionEndAt(source: string, at: number): ActionEnd | undefined {
  if (source.startsWith("}}", at)) return { at: at + 2, trims: false };
  if (SPACE.test(source[at] ?? "") && source.startsWith("-}}", at + 1)) return { at: at + 4, trims: true };
  return undefined;
}

function lexAction(source: string, start: number, open: number, tokens: Token[]): ActionEnd {
  tokens.push({ kind: "open", at: open });
  let depth = 0;
  let at = start;
  for (;;) {
    const end = actionEndAt(source, at);
    if (end !== undefined) {
      if (depth > 0) throw parseError(source, at, "unclosed left paren");
      tokens.push({ kind: "close", at });
      return end;
    }
    const character = source[at];
    if (character === undefined) throw parseError(source, open, "unclosed action");
    if (character === "(") depth++;
    if (character === ")" && --depth < 0) throw parseError(source, at, "unexpected right paren");
    at = lexToken(source, at, tokens);
  }
}

function lexToken(source: string, at: number, tokens: Token[]): number {
  const character = source[at] ?? "";
  if (SPACE.test(character)) {
    tokens.push({ kind: "space", at });
    let end = at;
    while (SPACE.test(source[end] ?? "") && actionEndAt(source, end) === undefined) end++;
    // Blanks before ` -}}` belong to the end of the action.
    return Math.max(end, at + (actionEndAt(source, at) === undefined ? 1 : 0));
  }
  if (character === '"') return lexQuoted(source, at, tokens);
  if (character === "`") {
    const end = source.indexOf("`", at + 1);
    if (end < 0) throw parseError(source, at, "unterminated raw quoted string");
    tokens.push({ kind: "string", at, text: source.slice(at + 1, end) });
    return end + 1;
  }
  if (character === "|") return push(tokens, { kind: "pipe", at }, 1);
  if (character === "(" || character === ")" || character === "," || character === "=")
    return push(tokens, { kind: character, at }, 1);
  if (source.startsWith(":=", at)) return push(tokens, { kind: ":=", at }, 2);
  if (character === "$") return push(tokens, { kind: "variable", at, text: `$${nameAt(source, at + 1)}` });
  if (character === "." && !/\d/.test(source[at + 1] ?? "")) {
    const name = NAME_START.test(source[at + 1] ?? "") ? nameAt(source, at + 1) : "";
    return name === ""
      ? push(tokens, { kind: "dot", at }, 1)
      : push(tokens, { kind: "field", at, text: name }, name.length + 1);
  }
  if (NAME_START.test(character)) return push(tokens, { kind: "word", at, text: nameAt(source, at) });
  NUMBER.lastIndex = at;
  const number = NUMBER.exec(source)?.[0];
  if (number === undefined || number === "")
    throw parseError(source, at, `unexpected ${JSON.stringify(character)} in operand`);
  const value = Number(number.replaceAll("_", "").replace(/^\+/, ""));
  if (Number.isNaN(value) || NAME_START.test(source[at + number.length] ?? ""))
    throw parseError(
      source,
      at,
      `bad number syntax: ${JSON.stringify(number + (source[at + number.length] ?? ""))}`,
    );
  return push(tokens, { kind: "number", at, value }, number.length);
}

function push(tokens: Token[], token: Token, length?: number): number {
  tokens.push(token);
  return token.at + (length ?? ("text" in token ? token.text.length : 1));
}

function nameAt(source: string, at: number): string {
  NAME.lastIndex = at;
  return NAME.exec(source)?.[0] ?? "";
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "\\": "\\",
  '"': '"',
  "'": "'",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
};

function lexQuoted(source: string, start: number, tokens: Token[]): number {
  let text = "";
  for (let at = start + 1; ; at++) {
    const character = source[at];
    if (character === undefined || character === "\n")
      throw parseError(source, start, "unterminated quoted string");
    if (character === '"') {
      tokens.push({ kind: "string", at: start, text });
      return at + 1;
    }
    if (character !== "\\") {
      text += character;
      continue;
    }
    const letter = source[++at] ?? "";
    const plain = ESCAPES[letter];
    if (plain !== undefined) {
      text += plain;
      continue;
    }
    const digits = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(00[01][0-9a-fA-F]{5}))/.exec(
      source.slice(at, at + 9),
    );
    const point = Number.parseInt(digits?.[1] ?? digits?.[2] ?? digits?.[3] ?? "", 16);
    if (digits === null || point > 0x10ffff) throw parseError(source, at, "invalid syntax in quoted string");
    text += String.fromCodePoint(point);
    at += digits[0].length - 1;
  }
}
