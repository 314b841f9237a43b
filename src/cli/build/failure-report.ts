import type { PlyBuildStep } from "../../wire/index.ts";
import { printable } from "../output/width.ts";

/** Lines of the Dockerfile shown before and after the one that failed. */
const AROUND = 2;

/** What a failed build says after its steps: the step with all it printed, and its lines in the Dockerfile. */
export function failureReport(options: {
  readonly step: PlyBuildStep | undefined;
  readonly output: string;
  readonly dockerfile: { readonly text: string; readonly name: string } | undefined;
  readonly line: number | undefined;
  readonly endLine: number | undefined;
}): string[] {
  const { step, output, dockerfile, line, endLine = line } = options;
  const lines: string[] = [];
  if (step !== undefined && output.trim() !== "")
    lines.push(
      "------",
      ` > ${printable(step.text)}:`,
      ...output.replace(/\n$/, "").split("\n").map(printable),
      "------",
    );
  if (dockerfile === undefined || line === undefined || endLine === undefined) return lines;
  const source = dockerfile.text.split(/\r?\n/);
  const [first, last] = [Math.max(1, line - AROUND), Math.min(source.length, endLine + AROUND)];
  const rows = source.slice(first - 1, last).map((text, n) => {
    const number = first + n;
    const mark = number >= line && number <= endLine ? ">>>" : "   ";
    return `${String(number).padStart(4)} | ${mark} ${printable(text)}`.trimEnd();
  });
  if (rows.at(-1)?.endsWith("|") && source.at(-1) === "") rows.pop();
  const rule = "-".repeat(20);
  return [...lines, `${printable(dockerfile.name)}:${line}`, rule, ...rows, rule];
}
