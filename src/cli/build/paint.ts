/** Colours of a line, where the terminal and its user want them. */
export interface Paint {
  readonly done: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warning: (text: string) => string;
  readonly faint: (text: string) => string;
}

/** `NO_COLOR` (no-color.org) and terminals without any are heeded. */
export function paintOf(env: Readonly<Record<string, string | undefined>>): Paint {
  const isPlain = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  const colour = (code: number) => (text: string) => (isPlain ? text : `\x1b[${code}m${text}\x1b[0m`);
  return { done: colour(36), bad: colour(31), warning: colour(33), faint: colour(2) };
}
