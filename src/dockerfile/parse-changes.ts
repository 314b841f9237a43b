import type { FromInstruction, Instruction } from "./instruction.ts";
import { splitLines } from "./lines.ts";
import { parseInstruction } from "./parse-instruction.ts";
import { bad } from "./source.ts";
import { firstWord } from "./words.ts";

/** What may change an image without a build. */
const CHANGES = new Set(
  "CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR".split(" "),
);

type ChangeInstruction = Exclude<
  Instruction,
  { readonly op: "run" | "copy" | "add" | "arg" | "shell" | "maintainer" }
>;

/** Instructions of `commit --change` and `import --change`. Throws "invalid", for others in Docker's words. */
export function parseChanges(text: string): ChangeInstruction[] {
  return splitLines(text, "--change").lines.map((line) => {
    const name = firstWord(line.text)[0].toUpperCase();
    if (!CHANGES.has(name))
      throw bad(`${name} is not a valid change command`, {
        hint: `these can be changed: ${[...CHANGES].join(", ")}`,
      });
    return parseInstruction(line, "\\") as Exclude<ChangeInstruction, FromInstruction>;
  });
}
