export {
  applySettings,
  commandArgs,
  withEnv,
} from "./apply-settings.ts";
export { type Directives, syntaxOf } from "./directive.ts";
export type { BaseFacts } from "./facts.ts";
export { type Heredoc, heredocText, parseHeredoc } from "./heredoc.ts";
export {
  cleanPath,
  IGNORE_FILES,
  type IgnoreFile,
  type IgnoreRule,
  ownIgnoreFiles,
  parseIgnoreFile,
  parsePatterns,
} from "./ignore.ts";
export type * from "./instruction.ts";
export {
  joinResults,
  LINT_RULES,
  type LintOptions,
  type LintResult,
  type LintWarning,
  lintDockerfile,
} from "./lint/index.ts";
export { csvFields, parseRunMount, type RunMount } from "./mount.ts";
export { type Outline, outlineOf, type Target, targetsOf } from "./outline.ts";
export { parseDockerfile, parseTrigger } from "./parse.ts";
export { parseChanges } from "./parse-changes.ts";
export { compilePattern } from "./path-pattern.ts";
export { dockerfileError, type SourceRange, within } from "./source.ts";
export { expandText, expandWord, expandWords, type WordOptions } from "./word.ts";
