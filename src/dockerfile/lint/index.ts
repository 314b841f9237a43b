export { LINT_RULES, type LintOptions, type LintResult, type LintWarning, lintDockerfile } from "./lint.ts";
export type { BaseFacts } from "./rule.ts";
