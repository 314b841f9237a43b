export {
  joinResults,
  LINT_RULES,
  type LintOptions,
  type LintResult,
  type LintWarning,
  lintDockerfile,
} from "./lint.ts";
