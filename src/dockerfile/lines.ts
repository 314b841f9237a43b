import { createDirectiveReader, type Directives } from "./directive.ts";
import { type Heredoc, heredocsOf } from "./heredoc.ts";
import { dockerfileError, type SourceRange, within } from "./source.ts";
import { jsonStrings } from "./words.ts";

/** One instruction's text: lines joined at continuations, comments and empty lines between them gone. */
export interface LogicalLine {
  readonly at: SourceRange;
  readonly text: string;
  readonly heredocs: readonly Heredoc[];
  /** Where its text ends, when there are empty lines within it. */
  readonly emptyContinuation: number | undefined;
  /** Comments right above it, without their `#`. */
  readonly comments: readonly string[];
}

export interface Lines {
  readonly directives: Directives;
  readonly lines: readonly LogicalLine[];
}

/** Instructions that may open heredocs. */
const TAKES_HEREDOC = /^(?:ONBUILD\s+)?(?:ADD|COPY|RUN)\s/i;

/** Cuts a Dockerfile into its instructions. Takes Unix and Windows line ends, with or without a byte order mark. */
export function splitLines(text: string, file: string): Lines {
  const raw = physicalLines(text);
  const reader = createDirectiveReader();
  const lines: LogicalLine[] = [];
  let comments: string[] = [];
  for (let at = 0; at < raw.length; ) {
    const start = at + 1;
    const place = { file, start, end: start };
    const first = withoutEnd(raw[at++] ?? "").trimStart();
    const isDirective = within(place, () => reader.take(first));
    if (isDirective) continue;
    if (first.startsWith("#")) {
      const comment = first.slice(1).trim();
      comments = comment === "" ? [] : [...comments, comment];
      continue;
    }
    let joined = cutContinuation(first, reader.found.escape);
    if (joined.continues && joined.text === "") {
      // A lone escape: the instruction begins on the next line.
      continue;
    }
    let logical = joined.text;
    let hasEmptyLine = false;
    while (joined.continues && at < raw.length) {
      const line = withoutEnd(raw[at++] ?? "");
      if (line.trimStart().startsWith("#")) continue;
      if (line.trim() === "") {
        hasEmptyLine = true;
        continue;
      }
      joined = cutContinuation(line, reader.found.escape);
      logical += joined.text;
    }
    if (logical.trim() === "") {
      comments = [];
      continue;
    }
    const emptyContinuation = hasEmptyLine ? at : undefined;
    const heredocs: Heredoc[] = [];
    for (const opening of opens(logical)) {
      const end = raw.findIndex((line, n) => n >= at && isTerminator(line, opening));
      if (end < 0)
        throw dockerfileError({ file, start, end: raw.length }, `unterminated heredoc ${opening.name}`, {
          hint: `a line with nothing but ${opening.name} must end it`,
        });
      heredocs.push({ ...opening, content: raw.slice(at, end).join("") });
      at = end + 1;
    }
    const whole = { file, start, end: at };
    lines.push({ at: whole, text: logical, heredocs, emptyContinuation, comments });
    comments = [];
  }
  return { directives: reader.found, lines };
}

function opens(line: string): Omit<Heredoc, "content">[] {
  if (!line.includes("<<") || !TAKES_HEREDOC.test(line.trimStart())) return [];
  const rest = line.trimStart().replace(TAKES_HEREDOC, "").trimStart();
  // A JSON form has no words of a shell.
  return jsonStrings(rest.replace(/^(?:--\S+\s+)+/, "")) === undefined ? heredocsOf(rest) : [];
}

/** Lines with their ends. */
function physicalLines(text: string): string[] {
  const body = text.startsWith("\uFEFF") ? text.slice(1) : text;
  return body.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function withoutEnd(line: string): string {
  return line.replace(/[\r\n]+$/, "");
}

function isTerminator(line: string, { name, isChomped }: Omit<Heredoc, "content">): boolean {
  const bare = withoutEnd(line);
  return (isChomped ? bare.replace(/^\t+/, "") : bare) === name;
}

/** Takes the escape token off the end of a line; two of them are none. */
function cutContinuation(
  line: string,
  escapeToken: string,
): { readonly text: string; readonly continues: boolean } {
  const bare = line.replace(/[ \t]+$/, "");
  if (!bare.endsWith(escapeToken) || bare.endsWith(escapeToken + escapeToken))
    return { text: line, continues: false };
  return { text: bare.slice(0, -1), continues: true };
}
