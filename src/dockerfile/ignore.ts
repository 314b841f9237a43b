import { compilePattern, type PathPattern } from "./path-pattern.ts";
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
  readonly pattern: PathPattern;
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
  const decidedBy = (path: string): Compiled | undefined =>
    rules.findLast(({ pattern }) => pattern.testWithin(path));
  return {
    rules,
    hasExceptions: exceptions.length > 0,
    decidedBy,
    isIgnored: (path) => {
      if (path === "") return false;
      const rule = decidedBy(path);
      return rule !== undefined && !rule.isException;
    },
    mayKeepBelow: (directory) => exceptions.some(({ pattern }) => pattern.mayMatchBelow(directory)),
  };
}

function compile(text: string, line: number): Compiled {
  const isException = text.startsWith("!");
  const body = isException ? text.slice(1).trim() : text;
  if (body === "") throw bad(`illegal exclusion pattern: "!"`);
  return { text, line, isException, pattern: compilePattern(cleanPath(body)) };
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
