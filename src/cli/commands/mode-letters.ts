import type { PlyFile } from "../../wire/index.ts";

const TYPE_LETTERS: Readonly<Record<PlyFile["type"], string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  char: "c",
  block: "b",
  fifo: "p",
  socket: "s",
};

/** As `ls -l` has it: `-rwxr-xr-x`. */
export function modeLetters({ type, mode }: Pick<PlyFile, "type" | "mode">): string {
  const letters = [..."rwxrwxrwx"].map((letter, bit) => ((mode >> (8 - bit)) & 1 ? letter : "-"));
  const special = (at: number, bit: number, letter: string): void => {
    if ((mode & bit) !== 0) letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
  };
  special(2, 0o4000, "s");
  special(5, 0o2000, "s");
  special(8, 0o1000, "t");
  return TYPE_LETTERS[type] + letters.join("");
}
