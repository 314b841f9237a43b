import type { EscapeToken } from "./directive.ts";
import { removePrefix, removeSuffix, replacePattern } from "./shell-pattern.ts";
import { bad } from "./source.ts";

export interface WordOptions {
  readonly lookup: (name: string) => string | undefined;
  readonly escapeToken: EscapeToken;
  /** Variables that are not set stay as written, instead of vanishing. */
  readonly keepUnset?: boolean;
  /** Quotes and escapes stay in the words. */
  readonly raw?: boolean;
}

/**
 * One word with its quotes and escapes taken off and its variables put in: `$NAME`, `${NAME}` and the modifiers
 * `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//` (Dockerfile reference, "Environment replacement").
 * Throws "invalid".
 */
export function expandWord(word: string, options: WordOptions): string {
  return lex(word, options).text;
}

/** As {@link expandWord}, split at blanks that are not quoted, those in values of variables included. */
export function expandWords(text: string, options: WordOptions): string[] {
  return lex(text, options).words;
}

/**
 * Puts variables into a text in which quotes are text: a heredoc. As in a shell, the escape token means something before
 * `$` and itself only.
 */
export function expandText(text: string, options: WordOptions): string {
  return new Lexer(text, options).text();
}

interface Lexed {
  readonly text: string;
  readonly words: string[];
}

function lex(text: string, options: WordOptions): Lexed {
  return new Lexer(text, options).until(undefined, false);
}

/** The words that a piece of text comes to, as it grows. */
class Words {
  readonly #words: string[] = [];
  #word = "";
  #isOpen = false;

  /** Text in which blanks part words. */
  split(text: string): void {
    for (const char of text) {
      if (!/\s/.test(char)) this.keep(char);
      else this.#close();
    }
  }

  /** Text that belongs to the word whatever it is; makes one even when empty. */
  keep(text: string): void {
    this.#isOpen = true;
    this.#word += text;
  }

  end(): string[] {
    this.#close();
    return this.#words;
  }

  #close(): void {
    if (this.#isOpen) this.#words.push(this.#word);
    this.#word = "";
    this.#isOpen = false;
  }
}

const SPECIAL_PARAMETER = /[@*#?\-$!0]/;
const NAME_PART = /[\p{L}\p{Nd}_]/u;

class Lexer {
  readonly #chars: readonly string[];
  readonly #options: WordOptions;
  #at = 0;

  constructor(text: string, options: WordOptions) {
    this.#chars = Array.from(text);
    this.#options = options;
  }

  /** Reads to a character (which is passed), or to the end. */
  until(stop: string | undefined, keepEscapes: boolean): Lexed {
    const { escapeToken, raw = false } = this.#options;
    const words = new Words();
    let text = "";
    const add = (part: string, isSplit: boolean): void => {
      text += part;
      if (isSplit) words.split(part);
      else words.keep(part);
    };
    for (let char = this.#next(); char !== undefined; char = this.#next()) {
      if (char === stop) return { text, words: words.end() };
      if (char === "'") add(this.#singleQuoted(), false);
      else if (char === '"') add(this.#doubleQuoted(), false);
      else if (char === "$") add(this.#dollar(), true);
      else if (char === escapeToken) {
        const next = this.#next();
        if (next === undefined) {
          if (raw || keepEscapes) add(char, false);
          break;
        }
        add(raw || keepEscapes ? char + next : next, false);
      } else add(char, true);
    }
    if (stop !== undefined) throw bad(`syntax error: missing '${stop}'`);
    return { text, words: words.end() };
  }

  /** Reads all, quotes as text. */
  text(): string {
    const { escapeToken } = this.#options;
    let text = "";
    for (let char = this.#next(); char !== undefined; char = this.#next()) {
      const next = this.#peek();
      if (char === "$") text += this.#dollar();
      else if (char === escapeToken && (next === "$" || next === escapeToken)) text += this.#next();
      else text += char;
    }
    return text;
  }

  #singleQuoted(): string {
    let text = "";
    for (let char = this.#next(); char !== undefined; char = this.#next()) {
      if (char === "'") return this.#options.raw ? `'${text}'` : text;
      text += char;
    }
    throw bad("unexpected end of statement while looking for matching single-quote");
  }

  #doubleQuoted(): string {
    const { escapeToken, raw = false } = this.#options;
    let text = "";
    for (let char = this.#next(); char !== undefined; char = this.#next()) {
      if (char === '"') return raw ? `"${text}"` : text;
      if (char === "$") text += this.#dollar();
      else if (char === escapeToken) {
        const next = this.#next();
        if (next === undefined) break;
        // Within double quotes only these can be escaped; before all else the token is a character like others.
        const isEscape = next === '"' || next === "$" || next === escapeToken;
        text += isEscape && !raw ? next : char + next;
      } else text += char;
    }
    throw bad("unexpected end of statement while looking for matching double-quote");
  }

  /** What follows a `$`. */
  #dollar(): string {
    if (this.#peek() !== "{") {
      const name = this.#name();
      if (name === "") return "$";
      const value = this.#options.lookup(name);
      return value ?? (this.#options.keepUnset ? `$${name}` : "");
    }
    this.#at++;
    const first = this.#peek();
    if (first === undefined) throw bad("syntax error: missing '}'");
    if (first === "{" || first === "}" || first === ":") throw bad("syntax error: bad substitution");
    const name = this.#name();
    const start = this.#at;
    const value = this.#modified(name);
    if (value !== undefined) return value;
    return this.#options.keepUnset ? `\${${name}${this.#chars.slice(start, this.#at).join("")}` : "";
  }

  /** Reads up to the closing brace. Undefined: the variable has no value and the modifier gives none. */
  #modified(name: string): string | undefined {
    let mark = this.#next();
    if (mark === undefined) throw bad("syntax error: missing '}'");
    if (mark === "}") return this.#options.lookup(name);
    const emptyIsUnset = mark === ":";
    if (emptyIsUnset) mark = this.#next();
    const whole = `${emptyIsUnset ? ":" : ""}${mark ?? ""}`;
    if (mark === "-" || mark === "+" || mark === "?") return this.#defaulted(name, mark, emptyIsUnset);
    if (emptyIsUnset || (mark !== "#" && mark !== "%" && mark !== "/"))
      throw bad(`unsupported modifier (${whole}) in substitution`);
    return mark === "/" ? this.#replaced(name) : this.#trimmed(name, mark);
  }

  #defaulted(name: string, mark: "-" | "+" | "?", emptyIsUnset: boolean): string | undefined {
    const word = this.until("}", false).text;
    const value = this.#options.lookup(name);
    if (value === undefined && this.#options.keepUnset) return undefined;
    const isMissing = value === undefined || (emptyIsUnset && value === "");
    if (mark === "-") return isMissing ? word : value;
    if (mark === "+") return isMissing ? "" : word;
    if (!isMissing) return value;
    const why = `is not allowed to be ${value === undefined ? "unset" : "empty"}`;
    throw bad(`${name}: ${word === "" ? why : word}`);
  }

  #trimmed(name: string, mark: "#" | "%"): string | undefined {
    const word = this.until("}", true).text;
    const value = this.#options.lookup(name);
    if (value === undefined) return undefined;
    const isGreedy = word.startsWith(mark);
    const pattern = isGreedy ? word.slice(1) : word;
    return mark === "#" ? removePrefix(value, pattern, isGreedy) : removeSuffix(value, pattern, isGreedy);
  }

  #replaced(name: string): string | undefined {
    const isAll = this.#peek() === "/";
    if (isAll) this.#at++;
    const pattern = this.until("/", true).text;
    const replacement = this.until("}", true).text;
    const value = this.#options.lookup(name);
    return value === undefined ? undefined : replacePattern(value, pattern, replacement, isAll);
  }

  #name(): string {
    let name = "";
    for (let char = this.#peek(); char !== undefined; char = this.#peek()) {
      if (name === "" && /\d/.test(char)) {
        while (/\d/.test(this.#peek() ?? "")) name += this.#next();
        return name;
      }
      if (name === "" && SPECIAL_PARAMETER.test(char)) {
        this.#at++;
        return char;
      }
      if (!NAME_PART.test(char)) break;
      name += char;
      this.#at++;
    }
    return name;
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #next(): string | undefined {
    return this.#chars[this.#at++];
  }
}
