import { printable } from "../output/width.ts";

/** Lines of the Dockerfile shown before and after those that are meant. */
const AROUND = 2;
const RULE = "-".repeat(20);

/** A place in a Dockerfile: its name and line, and the lines themselves, marked, with some around them. */
export function excerpt(
  { name, text }: { readonly name: string; readonly text: string },
  line: number,
  endLine = line,
): string[] {
  const source = text.split(/\r?\n/);
  const [first, last] = [Math.max(1, line - AROUND), Math.min(source.length, endLine + AROUND)];
  const rows = source.slice(first - 1, last).map((row, n) => {
    const number = first + n;
    const mark = number >= line && number <= endLine ? ">>>" : "   ";
    return `${String(number).padStart(4)} | ${mark} ${printable(row)}`.trimEnd();
  });
  if (rows.at(-1)?.endsWith("|") && source.at(-1) === "") rows.pop();
  return [`${printable(name)}:${line}`, RULE, ...rows, RULE];
}
