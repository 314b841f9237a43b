import { PlyError } from "../../error.ts";

/** How a mode of what is copied comes to be. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

/** `--chmod`: octal, or symbolic (`u=rwX,go-w`) as chmod(1). Undefined for none. Throws "invalid". */
export function parseMode(text: string): ModeChange | undefined {
  if (text === "") return undefined;
  const octal = octalMode(text);
  if (octal !== undefined) return () => octal;
  const clauses = text.split(",").map((clause) => {
    const match = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/.exec(clause);
    if (match === null)
      throw new PlyError(
        "invalid",
        `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777, or symbolic`,
      );
    const who = match[1] === "" || match[1]?.includes("a") ? "ugo" : (match[1] ?? "");
    const actions = [...(match[2] ?? "").matchAll(/([-+=])([rwxXst]*[ugo]?)/g)];
    return { who, actions: actions.map(([, sign = "", rights = ""]) => ({ sign, rights })) };
  });
  return (mode, isDirectory) =>
    clauses.reduce(
      (current, { who, actions }) =>
        actions.reduce((now, action) => apply(now, who, action, isDirectory), current),
      mode,
    );
}

/** What an octal mode says: it holds for directories that are made, too. */
export function octalMode(text: string): number | undefined {
  return /^0?[0-7]{1,4}$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

const SHIFT = { u: 6, g: 3, o: 0 } as const;

function apply(
  mode: number,
  who: string,
  { sign, rights }: { readonly sign: string; readonly rights: string },
  isDirectory: boolean,
): number {
  let bits = 0;
  let cleared = 0;
  for (const one of who as Iterable<"u" | "g" | "o">) {
    let triple = 0;
    for (const right of rights) {
      if (right === "r") triple |= 4;
      else if (right === "w") triple |= 2;
      else if (right === "x" || (right === "X" && (isDirectory || (mode & 0o111) !== 0))) triple |= 1;
      else if (right === "s") bits |= one === "u" ? 0o4000 : one === "g" ? 0o2000 : 0;
      else if (right === "t") bits |= 0o1000;
      else if (right === "u" || right === "g" || right === "o") triple |= (mode >> SHIFT[right]) & 7;
    }
    bits |= triple << SHIFT[one];
    cleared |= 7 << SHIFT[one];
  }
  if (sign === "+") return mode | bits;
  return sign === "-" ? mode & ~bits : (mode & ~cleared) | bits;
}
