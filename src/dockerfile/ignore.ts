import { bad } from "./source.ts";

/** Where rules for one Dockerfile alone may stand, best first; they stand before {@link IGNORE_FILES}. */
export function ownIgnoreFiles(dockerfile: string): string[] {
  return [`${dockerfile}.dockerignore`, `${dockerfile}.containerignore`];
}

/** Where the rules of a context stand, best first. */
export const IGNORE_FILES: readonly string[] = [".containerignore", ".dockerignore"];

export interface IgnoreRule {
  /** As written, with its `!`. */
  readonly text: string;
  /** Counts from 1. */
  readonly line: number;
}

/** Rules of a `.dockerignore`; the last that matches a path or a directory it lies in decides. */
export interface IgnoreFile {
  readonly rules: readonly IgnoreRule[];
  /** True when some rule begins with `!`: below an ignored directory there may be something to keep. */
  readonly hasExceptions: boolean;
  /** Whether a path (relative, `/` between names) is left out. */
  isIgnored(path: string): boolean;
  /** The rule that decided, undefined when none did. */
  decidedBy(path: string): IgnoreRule | undefined;
  /** False: nothing below this ignored directory can be kept, so it need not be read. */
  mayKeepBelow(directory: string): boolean;
}

interface Compiled extends IgnoreRule {
  readonly isException: boolean;
  readonly pattern: string;
  readonly matches: (path: string) => boolean;
}

/** Parses a `.dockerignore`. Throws "invalid" for a malformed pattern. */
export function parseIgnoreFile(text: string): IgnoreFile {
  const lines = (text.startsWith("\uFEFF") ? text.slice(1) : text).split(/\r?\n/);
  const rules = lines.flatMap((line, n) => {
    if (line.startsWith("#")) return [];
    const trimmed = line.trim();
    return trimmed === "" ? [] : [compile(trimmed, n + 1)];
  });
  return ignoreOf(rules);
}

/** Patterns of `COPY --exclude`, in the same language. */
export function parsePatterns(patterns: readonly string[]): IgnoreFile {
  return ignoreOf(
    patterns.filter((each) => each.trim() !== "").map((each, n) => compile(each.trim(), n + 1)),
  );
}

function ignoreOf(rules: readonly Compiled[]): IgnoreFile {
  const exceptions = rules.filter(({ isException }) => isException);
  const decidedBy = (path: string): Compiled | undefined => {
    const prefixes = prefixesOf(path);
    return rules.findLast(({ matches }) => prefixes.some(matches));
  };
  return {
    rules,
    hasExceptions: exceptions.length > 0,
    decidedBy,
    isIgnored: (path) => {
      if (path === "") return false;
      const rule = decidedBy(path);
      return rule !== undefined && !rule.isException;
    },
    mayKeepBelow: (directory) => exceptions.some(({ pattern }) => mayMatchBelow(pattern, directory)),
  };
}

/** The path and every directory it lies in. */
function prefixesOf(path: string): string[] {
  const prefixes = [path];
  for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1))
    prefixes.push(path.slice(0, slash));
  return prefixes;
}

function compile(text: string, line: number): Compiled {
  const isException = text.startsWith("!");
  const body = isException ? text.slice(1).trim() : text;
  if (body === "") throw bad(`illegal exclusion pattern: "!"`);
  const pattern = cleanPath(body);
  const regex = pattern === "" ? undefined : compilePattern(pattern);
  return { text, line, isException, pattern, matches: (path) => regex?.test(path) ?? false };
}

/** Go's filepath.Clean, then without the leading slash; the root itself is "". */
export function cleanPath(pattern: string): string {
  const kept: string[] = [];
  for (const name of pattern.split("/")) {
    if (name === "" || name === ".") continue;
    if (name === ".." && kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (name !== ".." || !pattern.startsWith("/")) kept.push(name);
  }
  return kept.join("/");
}

/** A pattern whose names lie along the directory: one by one as far as no `**` is among them. */
function mayMatchBelow(pattern: string, directory: string): boolean {
  const names = pattern.split("/");
  const path = directory.split("/");
  for (let n = 0; n < path.length; n++) {
    const name = names[n];
    if (name === undefined) return true;
    if (name.includes("**")) return true;
    if (!compilePattern(name).test(path[n] ?? "")) return false;
  }
  return names.length > path.length;
}

/**
 * A pattern as moby's patternmatcher reads it: `*` and `?` stop at `/`, `**` does not, `**` followed by a slash stands
 * for any directories or none, `[…]` are classes, `\` quotes.
 */
export function compilePattern(pattern: string): RegExp {
  let source = "^";
  const chars = Array.from(pattern);
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (char === "*" && chars[at + 1] === "*") {
      at++;
      if (chars[at + 1] === "/") at++;
      if (at + 1 >= chars.length) source += ".*";
      else source += "(?:.*/)?";
    } else if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const end = classEnd(chars, at);
      if (end < 0) throw bad(`syntax error in pattern ${JSON.stringify(pattern)}`);
      source += classSource(chars.slice(at + 1, end));
      at = end;
    } else if (char === "\\") {
      at++;
      const quoted = chars[at];
      if (quoted === undefined) throw bad(`syntax error in pattern ${JSON.stringify(pattern)}`);
      source += literal(quoted);
    } else source += literal(char);
  }
  try {
    return new RegExp(`${source}$`, "su");
  } catch {
    // A class like `[z-a]`.
    throw bad(`syntax error in pattern ${JSON.stringify(pattern)}`);
  }
}

function classEnd(chars: readonly string[], start: number): number {
  for (let at = start + 1; at < chars.length; at++) {
    if (chars[at] === "\\") at++;
    else if (chars[at] === "]" && at > start + 1) return at;
  }
  return -1;
}

function classSource(chars: readonly string[]): string {
  const isNegated = chars[0] === "^";
  let body = "";
  for (let at = isNegated ? 1 : 0; at < chars.length; at++) {
    let char = chars[at] ?? "";
    if (char === "\\") char = chars[++at] ?? "";
    else if (char === "-") {
      body += "-";
      continue;
    }
    body += /[\\\]^[-]/.test(char) ? `\\${char}` : char;
  }
  // Like all but `**`, a class does not match the slash.
  return isNegated ? `[^/${body}]` : `(?!/)[${body}]`;
}

function literal(char: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char;
}
