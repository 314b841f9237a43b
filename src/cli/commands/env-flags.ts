import { messageOf } from "../../error.ts";
import { UsageError } from "../failure.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";

/** What `run`, `create` and `exec` have in common. */
export const PROCESS_FLAGS = {
  env: {
    kind: "list",
    short: "e",
    value: "NAME[=VALUE]",
    help: "Environment variable; without a value, yours",
  },
  "env-file": {
    kind: "list",
    value: "FILE",
    complete: "file",
    help: "File with an environment variable per line",
  },
  workdir: { kind: "string", short: "w", value: "DIR", help: "Working directory inside" },
  user: { kind: "string", short: "u", value: "USER[:GROUP]", help: "User inside, by name or number" },
} as const satisfies FlagSpecs;

/** What `--env` and `--env-file` come to, with this process's own variables where only a name was given. */
export function environmentOf(
  flags: Pick<FlagValues<typeof PROCESS_FLAGS>, "env" | "env-file">,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  const words = [...flags["env-file"].flatMap(environmentFile), ...flags.env];
  return words.flatMap((word) => {
    if (word.startsWith("=") || word === "")
      throw new UsageError(`invalid environment variable: ${JSON.stringify(word)}`);
    if (word.includes("=")) return [word];
    // A variable we do not have ourselves is not passed on.
    const value = env[word];
    return value === undefined ? [] : [`${word}=${value}`];
  });
}

/** Docker's format: a variable per line as it is, `#` comments, no quoting. */
function environmentFile(path: string): string[] {
  return readText(path, "env-file")
    .replace(/^\ufeff/, "")
    .split("\n")
    .map((line) => line.replace(/\r$/, "").trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const name = line.split("=", 1)[0] ?? "";
      if (name === "" || /\s/.test(name))
        throw new UsageError(
          `poorly formatted environment in ${path}: variable ${JSON.stringify(name)} contains whitespaces`,
        );
      return line;
    });
}

/** The text of a file that a flag names. */
export function readText(path: string, flag: string): string {
  try {
    // Most command lines name no file: node:fs is a millisecond of a command's start.
    return process.getBuiltinModule("node:fs").readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`cannot read the --${flag} ${path}: ${messageOf(error)}`);
  }
}
