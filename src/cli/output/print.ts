import { ExitError } from "../failure.ts";
import { parseTemplate, runTemplate, TemplateError } from "../template/index.ts";
import { formatListing } from "./listing.ts";
import type { Output } from "./output.ts";

/** What Docker exits with for a bad template of `inspect`, `info` and `version`. */
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
  try {
    const template = parseTemplate(format);
    return values.map((value) => runTemplate(template, value));
  } catch (error) {
    if (error instanceof TemplateError)
      throw new ExitError(BAD_TEMPLATE, `template parsing error: ${error.message}`);
    throw error;
  }
}

function joinLines(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}
