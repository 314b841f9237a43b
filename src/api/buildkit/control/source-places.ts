import type { SourceRange } from "../../../dockerfile/index.ts";

type Lines = Pick<SourceRange, "start" | "end">;
interface Source {
  readonly text: string;
  readonly name: string;
}

/** A place in a Dockerfile, as BuildKit's messages have it. */
export function sourceOf({ text, name }: Source, { start, end }: Lines) {
  return {
    info: { filename: name, data: Buffer.from(text), language: "Dockerfile" },
    ranges: [{ start: { line: start }, end: { line: end } }],
  };
}

/** The same as the JSON that goes with errors: clients print the lines. */
export function sourceDocument({ text, name }: Source, lines: Lines): object {
  const { info, ranges } = sourceOf({ text, name }, lines);
  return { info: { ...info, data: info.data.toString("base64") }, ranges };
}
