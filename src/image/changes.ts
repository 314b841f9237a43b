import { posix } from "node:path";
import { applySettings, expandWord, expandWords, parseChanges, within } from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";
import type { ProcessConfig } from "../oci/index.ts";

/**
 * Lays Dockerfile instructions (`CMD ["x"]`, `ENV A=b`) over settings and returns new ones; variables are those of the
 * settings' own environment. Throws "invalid" naming the instruction.
 */
export function applyChanges(base: ProcessConfig, changes: readonly string[]): ProcessConfig {
  let config = base;
  let hasOwnCmd = false;
  const lookup = (name: string): string | undefined =>
    config.Env?.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  const options = { lookup, escapeToken: "\\" } as const;
  const variables = {
    expand: (word: string) => expandWord(word, options),
    expandList: (text: string) => expandWords(text, options),
    declare: () => undefined,
    assign: () => undefined,
  };
  for (const instruction of changes.flatMap((change) => parseChanges(change)))
    within(instruction.at, () => {
      if (instruction.op === "workdir") {
        const path = variables.expand(instruction.value);
        config = { ...config, WorkingDir: posix.resolve("/", config.WorkingDir ?? "/", path) };
        return;
      }
      if (instruction.op === "user" && /\s/.test(instruction.value))
        throw new PlyError("invalid", "USER requires exactly one argument");
      config = applySettings(config, instruction, { variables, hasOwnCmd }).config;
      if (instruction.op === "cmd") hasOwnCmd = true;
    });
  return config;
}
