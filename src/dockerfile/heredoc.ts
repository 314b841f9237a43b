import { attempt } from "./attempt.ts";
import { expandWords, type WordOptions } from "./word.ts";

/** A here-document: `<<NAME` on an instruction, its lines after it. */
export interface Heredoc {
  readonly name: string;
  /** Every line with its line feed, as written. */
  readonly content: string;
  /** False where the name was quoted: variables stay as they are. */
  readonly isExpanded: boolean;
  /** `<<-`: leading tabs go. */
  readonly isChomped: boolean;
  readonly fileDescriptor: number;
}

/** Variables stay as they are written. */
const UNSET: WordOptions = { lookup: () => undefined, keepUnset: true, escapeToken: "\\" };
const HEREDOC = /^(\d*)<<(-?)([^<]*)$/;

/** A word as the opening of a heredoc; undefined when it is none. */
export function parseHeredoc(word: string): Omit<Heredoc, "content"> | undefined {
  const match = HEREDOC.exec(word);
  const rest = match?.[3] ?? "";
  if (match === null || rest === "") return undefined;
  const names = attempt(() => expandWords(rest, UNSET), []);
  const [name] = names;
  if (names.length !== 1 || name === undefined || /\s/.test(rest[0] ?? "")) return undefined;
  return {
    name,
    isExpanded: name === rest,
    isChomped: match[2] === "-",
    fileDescriptor: match[1] === "" ? 0 : Number(match[1]),
  };
}

/** All heredocs that a line opens, in order. */
export function heredocsOf(line: string): Omit<Heredoc, "content">[] {
  // What has no words of ours (an unmatched quote) the shell may know better.
  const words = attempt(() => expandWords(line, { ...UNSET, raw: true }), []);
  return words.flatMap((word) => parseHeredoc(word) ?? []);
}

/** The content as the instruction sees it. */
export function heredocText({ content, isChomped }: Pick<Heredoc, "content" | "isChomped">): string {
  return isChomped ? content.replace(/^\t+/gm, "") : content;
}
