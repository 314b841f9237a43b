import type { PlyBuildStep } from "../../wire/index.ts";
import { printable } from "../output/width.ts";
import { excerpt } from "./excerpt.ts";
import { shownLine } from "./step-output.ts";
import { titleOf } from "./step-state.ts";

/** What a failed build says after its steps: the step with all it printed, and its lines in the Dockerfile. */
export function failureReport(options: {
  readonly step: PlyBuildStep | undefined;
  readonly output: string;
  readonly dockerfile: { readonly text: string; readonly name: string } | undefined;
  readonly line: number | undefined;
  readonly endLine: number | undefined;
}): string[] {
  const { step, output, dockerfile, line, endLine } = options;
  const lines: string[] = [];
  if (step !== undefined && output.trim() !== "")
    lines.push(
      "------",
      ` > ${titleOf(step)}:`,
      ...output
        .replace(/\n$/, "")
        .split("\n")
        .map((row) => printable(shownLine(row))),
      "------",
    );
  if (dockerfile === undefined || line === undefined) return lines;
  return [...lines, ...excerpt(dockerfile, line, endLine)];
}
