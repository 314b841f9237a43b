import { didYouMean } from "../suggest.ts";
import { bad } from "./source.ts";

/** The `--name=value` words before an instruction's arguments. */
export function takeFlags(text: string): { readonly words: readonly string[]; readonly rest: string } {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (/\s/.test(text.charAt(at))) at++;
    if (!text.startsWith("--", at)) return { words, rest: text.slice(at) };
    const { word, end } = flagWord(text, at);
    at = end;
    if (word === "--") return { words, rest: text.slice(at) };
    words.push(word);
  }
}

/** One word; quotes and escapes are taken off. */
function flagWord(text: string, start: number): { readonly word: string; readonly end: number } {
  let word = "";
  let quote = "";
  let at = start;
  for (; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote === "" && /\s/.test(char)) break;
    if (char === quote) quote = "";
    else if (quote === "" && (char === '"' || char === "'")) quote = char;
    else if (char === "\\") {
      at++;
      word += text.charAt(at);
    } else word += char;
  }
  return { word, end: at };
}

export type FlagKind = "switch" | "text" | "list";

/** The flags an instruction was given, each asked for by the kind it is. */
export interface Flags {
  isOn(name: string): boolean;
  /** A switch as it was set; undefined when it was not given. */
  switchOf(name: string): boolean | undefined;
  text(name: string): string | undefined;
  list(name: string): readonly string[];
}

/** Throws "invalid" for flags that are unknown, given twice or without a value. */
export function readFlags(words: readonly string[], kinds: Readonly<Record<string, FlagKind>>): Flags {
  const values = new Map<string, string[]>();
  for (const word of words) {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) throw bad(`unknown flag: --${name}${didYouMean(name, Object.keys(kinds), "--")}`);
    const before = values.get(name);
    if (before !== undefined && kind !== "list") throw bad(`duplicate flag specified: ${name}`);
    if (equals < 0 && kind !== "switch") throw bad(`missing a value on flag: ${name}`);
    const value = equals < 0 ? "true" : word.slice(equals + 1);
    if (kind === "switch" && value !== "true" && value !== "false")
      throw bad(`expecting boolean value for flag ${name}, not: ${value}`);
    values.set(name, [...(before ?? []), value]);
  }
  const text = (name: string): string | undefined => values.get(name)?.[0];
  return {
    isOn: (name) => text(name) === "true",
    switchOf: (name) => (values.has(name) ? text(name) === "true" : undefined),
    text,
    list: (name) => values.get(name) ?? [],
  };
}
