import { ExitError } from "../failure.ts";
import { parseTemplate, runTemplate, TemplateError } from "../template/index.ts";
import { formatListing } from "./listing.ts";
import type { Output } from "./output.ts";

/** What Docker exits with for a template of `inspect`, `info` and `version` that cannot be parsed. */
const BAD_TEMPLATE = 64;

/** The text for stdout. */
export function formatOutput(output: Output): string {
  switch (output.kind) {
    case "lines":
      return joinLines(output.lines);
    case "listing":
      return joinLines(formatListing(output.listing));
    case "documents": {
      const { format, values } = output;
      if (format === undefined || format === "") return `${JSON.stringify(values, null, 4)}\n`;
      return joinLines(formatEach(format, values));
    }
    case "report":
      if (output.format === undefined || output.format === "") return joinLines(output.lines());
      return joinLines(formatEach(output.format, [output.value]));
    case "exit":
      return "";
  }
}

function formatEach(format: string, values: readonly unknown[]): string[] {
  if (format === "json") return values.map((value) => JSON.stringify(value));
  const failed = (code: number) => (error: unknown) =>
    error instanceof TemplateError ? new ExitError(code, `template parsing error: ${error.message}`) : error;
  const template = orThrow(() => parseTemplate(format), failed(BAD_TEMPLATE));
  return values.map((value) => orThrow(() => runTemplate(template, value), failed(1)));
}

function orThrow<T>(work: () => T, toError: (error: unknown) => unknown): T {
  try {
    return work();
  } catch (error) {
    throw toError(error);
  }
}

function joinLines(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}
