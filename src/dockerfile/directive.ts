import { bad } from "./source.ts";

/** What a line goes on after, and what takes the meaning from the character behind it. */
export type EscapeToken = "\\" | "`";

/** The parser directives at the head of a Dockerfile. */
export interface Directives {
  /** `docker/dockerfile:1`: which frontend the author had in mind. */
  readonly syntax?: string;
  readonly escape: EscapeToken;
  /** `skip=RULE,…;error=true`, see `lint.ts`. */
  readonly check?: string;
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const KNOWN = new Set(["syntax", "escape", "check"]);

/** What `# syntax=` names (its first word: the rest are arguments of the frontend), and on which line it stands. */
export function syntaxOf(text: string): { readonly value: string; readonly line: number } | undefined {
  for (const [n, line] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    const match = DIRECTIVE.exec(line.trim());
    if (match?.[1]?.toLowerCase() === "syntax")
      return { value: (match[2] ?? "").split(" ", 1)[0] ?? "", line: n + 1 };
    if (match === null && !isShebang(line, n)) return undefined;
  }
  return undefined;
}

/** A Dockerfile may be a program: its first line says whose. */
function isShebang(line: string, index: number): boolean {
  return index === 0 && line.startsWith("#!");
}

/** Reads directives line by line; the first line that has not the form of one ends them. */
export interface DirectiveReader {
  /** True: the line was a directive. */
  take(line: string): boolean;
  readonly found: Directives;
}

export function createDirectiveReader(): DirectiveReader {
  const found: { syntax?: string; escape: EscapeToken; check?: string } = { escape: "\\" };
  const seen = new Set<string>();
  let isOver = false;
  let count = 0;
  return {
    found,
    take(line) {
      if (isOver) return false;
      if (isShebang(line, count++)) return true;
      const match = DIRECTIVE.exec(line);
      if (match === null) {
        isOver = true;
        return false;
      }
      const key = (match[1] ?? "").toLowerCase();
      const value = match[2] ?? "";
      if (!KNOWN.has(key)) return false;
      if (seen.has(key)) throw bad(`only one ${key} parser directive can be used`);
      seen.add(key);
      if (key === "escape") {
        if (value !== "\\" && value !== "`")
          throw bad(`invalid escape token '${value}' does not match \` or \\`);
        found.escape = value;
      } else found[key as "syntax" | "check"] = value;
      return true;
    },
  };
}
