import { messageOf, PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";

/** Exit codes of a container whose command could not be run, as Docker's clients expect them. */
const NOT_FOUND = 127;
const NOT_RUNNABLE = 126;

interface Pattern {
  readonly words: RegExp;
  readonly exitCode: number;
  /** Docker's words, made from the match and the command. */
  readonly say: (command: string) => string;
}

const quote = (command: string): string => JSON.stringify(command);

/** What crun and runc say when a command cannot run, and what Docker's users know it as. */
const PATTERNS: readonly Pattern[] = [
  {
    words: /executable file .*not found in \$PATH/i,
    exitCode: NOT_FOUND,
    say: (command) =>
      command.includes("/")
        ? `exec: ${quote(command)}: stat ${command}: no such file or directory`
        : `exec: ${quote(command)}: executable file not found in $PATH`,
  },
  {
    words: /(open executable|exec(utable)?|stat|lstat|find)\b.*is a directory/i,
    exitCode: NOT_RUNNABLE,
    say: (command) => `exec: ${quote(command)}: is a directory`,
  },
  {
    words:
      /(open executable|exec(utable)?|stat)\b.*permission denied|open executable.*operation not permitted|cannot (access|execute).*permission denied/i,
    exitCode: NOT_RUNNABLE,
    say: (command) => `exec: ${quote(command)}: permission denied`,
  },
  {
    words: /(open executable|exec(utable)?|stat|find)\b.*no such file or directory/i,
    exitCode: NOT_FOUND,
    say: (command) => `exec: ${quote(command)}: stat ${command}: no such file or directory`,
  },
  {
    words: /exec(utable)?\b.*exec format error/i,
    exitCode: NOT_RUNNABLE,
    say: (command) => `exec: ${quote(command)}: exec format error`,
  },
];

/** Docker's error for the runtime's words about a container whose first argument is `command`. */
export function launchFailure(runtime: string, error: unknown, command: string): PlyError {
  if (error instanceof PlyError && error.kind === "unavailable") return error;
  const words = cleanWords(messageOf(error));
  for (const { words: pattern, exitCode, say } of PATTERNS) {
    if (!pattern.test(words)) continue;
    return new PlyError(
      "invalid",
      `${prefix(runtime)}: unable to start container process: ${say(command)}: unknown`,
      {
        cause: error,
        details: { exitCode, runtime, words },
      },
    );
  }
  return new PlyError("internal", `${prefix(runtime)}: ${words}: unknown`, {
    cause: error,
    details: { runtime, words, exitCode: 125 },
  });
}

/** The same about one more process; its exit code is 126 where none is better. */
export function execFailure(runtime: string, words: string, command: string): PlyError {
  const clean = cleanWords(words);
  const known = PATTERNS.find((pattern) => pattern.words.test(clean));
  const say = known === undefined ? clean : known.say(command);
  return new PlyError(
    "invalid",
    `OCI runtime exec failed: exec failed: unable to start container process: ${say}: unknown`,
    { details: { exitCode: known?.exitCode ?? NOT_RUNNABLE, runtime, words: clean } },
  );
}

/** The errors in a runtime's log (`--log-format=json`), warnings left out. */
export function runtimeErrors(log: string): string {
  const messages: string[] = [];
  for (const line of log.split("\n"))
    try {
      const entry: unknown = JSON.parse(line);
      if (!isObject(entry) || entry["level"] === "warning") continue;
      if (typeof entry["msg"] === "string") messages.push(entry["msg"]);
    } catch {
      // No entry: the end of the file, or half a line of a runtime that was killed.
    }
  return messages.at(-1) ?? "";
}

function prefix(runtime: string): string {
  return `failed to create task for container: OCI runtime create failed: ${runtime} create failed`;
}

/** runc logs in logfmt or JSON and may say more than one thing; crun says one line. */
function cleanWords(text: string): string {
  const messages = [...text.matchAll(/msg="((?:[^"\\]|\\.)*)"/g)].map((match) =>
    (match[1] ?? "").replaceAll('\\"', '"'),
  );
  return (messages.at(-1) ?? text).trim().replace(/\s*\n\s*/g, "; ");
}
