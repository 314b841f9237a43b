import type { ArgInstruction, Dockerfile, Instruction, Stage } from "./instruction.ts";
import { splitLines } from "./lines.ts";
import { parseInstruction } from "./parse-instruction.ts";
import { bad, dockerfileError } from "./source.ts";

/**
 * Dockerfile text as typed instructions, stage by stage; variables in them are not expanded yet.
 * `file` is what errors call it. Throws "invalid" with file, line and, where one word is meant for another, which.
 */
export function parseDockerfile(text: string, file = "Dockerfile"): Dockerfile {
  const { directives, lines } = splitLines(text, file);
  if (lines.length === 0) throw bad(`the Dockerfile (${file}) cannot be empty: file with no instructions`);
  const globalArgs: ArgInstruction[] = [];
  const stages: (Stage & { readonly instructions: Instruction[] })[] = [];
  for (const line of lines) {
    const instruction = parseInstruction(line, directives.escape);
    const stage = stages.at(-1);
    if (instruction.op === "from") stages.push({ index: stages.length, from: instruction, instructions: [] });
    else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.op === "arg") globalArgs.push(instruction);
    else throw dockerfileError(line.at, "no build stage in current context", { hint: "begin with FROM" });
  }
  if (stages.length === 0) throw bad(`no build stage in ${file}: it has no FROM`);
  return {
    file,
    directives,
    globalArgs,
    stages,
    emptyContinuations: lines.flatMap(({ emptyContinuation: line }) =>
      line === undefined ? [] : [{ file, start: line, end: line }],
    ),
  };
}

/** An ONBUILD trigger of a base image as the instructions it stands for. */
export function parseTrigger(trigger: string, image: string): Instruction[] {
  const { lines } = splitLines(trigger, `ONBUILD of ${image}`);
  return lines.map((line) => {
    const instruction = parseInstruction(line, "\\");
    if (instruction.op === "from" || instruction.op === "onbuild" || instruction.op === "maintainer")
      throw dockerfileError(line.at, `${instruction.keyword} isn't allowed as an ONBUILD trigger`);
    return instruction;
  });
}
