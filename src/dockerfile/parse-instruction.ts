import { didYouMean } from "../suggest.ts";
import type { EscapeToken } from "./directive.ts";
import { type FlagKind, type Flags, readFlags, takeFlags } from "./flags.ts";
import { type Heredoc, heredocText, parseHeredoc } from "./heredoc.ts";
import type { Command, Copying, CopySource, FromInstruction, Instruction } from "./instruction.ts";
import type { LogicalLine } from "./lines.ts";
import { healthcheckOf } from "./parse-healthcheck.ts";
import { bad, within } from "./source.ts";
import { firstWord, jsonStrings, keyValues, splitBlanks, splitQuoted } from "./words.ts";

/** An instruction's text, taken apart as far as all of them are alike. */
interface Parts {
  readonly written: Pick<FromInstruction, "at" | "keyword" | "text" | "comments">;
  readonly name: string;
  readonly flags: Flags;
  /** What follows the flags, trimmed. */
  readonly rest: string;
  readonly heredocs: readonly Heredoc[];
  readonly escapeToken: EscapeToken;
}

interface Form {
  readonly flags: Readonly<Record<string, FlagKind>>;
  readonly parse: (parts: Parts) => Instruction | FromInstruction;
}

const COPY_FLAGS = { chown: "text", chmod: "text", link: "switch", exclude: "list" } as const;

const FORMS: Readonly<Record<string, Form>> = {
  from: { flags: { platform: "text" }, parse: parseFrom },
  arg: { flags: {}, parse: parseArg },
  env: { flags: {}, parse: (parts) => parsePairs(parts, "env") },
  label: { flags: {}, parse: (parts) => parsePairs(parts, "label") },
  maintainer: { flags: {}, parse: (parts) => parseText(parts, "maintainer") },
  user: { flags: {}, parse: (parts) => parseText(parts, "user") },
  workdir: { flags: {}, parse: (parts) => parseText(parts, "workdir") },
  stopsignal: { flags: {}, parse: (parts) => parseText(parts, "stopsignal") },
  expose: { flags: {}, parse: (parts) => parseList(parts, "expose") },
  volume: { flags: {}, parse: (parts) => parseList(parts, "volume") },
  cmd: { flags: {}, parse: (parts) => parseCommand(parts, "cmd") },
  entrypoint: { flags: {}, parse: (parts) => parseCommand(parts, "entrypoint") },
  shell: { flags: {}, parse: parseShell },
  healthcheck: {
    flags: {
      interval: "text",
      timeout: "text",
      "start-period": "text",
      "start-interval": "text",
      retries: "text",
    },
    parse: ({ written, flags, rest }) => ({
      ...written,
      op: "healthcheck",
      check: healthcheckOf(flags, rest),
    }),
  },
  onbuild: { flags: {}, parse: parseOnbuild },
  run: { flags: { mount: "list", network: "text", security: "text", device: "list" }, parse: parseRun },
  copy: { flags: { ...COPY_FLAGS, from: "text", parents: "switch" }, parse: parseCopy },
  add: {
    flags: { ...COPY_FLAGS, "keep-git-dir": "switch", checksum: "text", unpack: "switch" },
    parse: parseAdd,
  },
};

/** Names of all instructions, upper case. */
const INSTRUCTION_NAMES: readonly string[] = Object.keys(FORMS).map((name) => name.toUpperCase());

/** Parses one instruction. Throws "invalid" with its place. */
export function parseInstruction(line: LogicalLine, escapeToken: EscapeToken): Instruction | FromInstruction {
  return within(line.at, () => {
    const [keyword, after] = firstWord(line.text);
    const name = keyword.toLowerCase();
    const form = Object.hasOwn(FORMS, name) ? FORMS[name] : undefined;
    if (form === undefined) throw unknownInstruction(keyword);
    const { words, rest } = takeFlags(after);
    return form.parse({
      written: { at: line.at, keyword, text: line.text.trim(), comments: line.comments },
      name: name.toUpperCase(),
      flags: readFlags(words, form.flags),
      rest: rest.trim(),
      heredocs: line.heredocs,
      escapeToken,
    });
  });
}

function unknownInstruction(keyword: string): Error {
  return bad(`unknown instruction: ${keyword}${didYouMean(keyword.toUpperCase(), INSTRUCTION_NAMES)}`);
}

function parseFrom({ written, flags, rest }: Parts): FromInstruction {
  const words = splitBlanks(rest);
  const [image = "", as, name] = words;
  const isNamed = words.length === 3 && as?.toLowerCase() === "as";
  if (words.length !== 1 && !isNamed) throw bad("FROM requires either one or three arguments");
  if (name !== undefined && !/^[a-z][a-z0-9-_.]*$/.test(name.toLowerCase()))
    throw bad(
      `invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`,
    );
  return {
    ...written,
    op: "from",
    image,
    platform: flags.text("platform"),
    name: name?.toLowerCase(),
    asKeyword: as,
    nameAsWritten: name,
  };
}

function parseArg({ written, rest, escapeToken }: Parts): Instruction {
  const words = splitQuoted(rest, escapeToken);
  if (words.length === 0) throw bad("ARG requires at least one argument");
  const args = words.map((word) => {
    const equals = word.indexOf("=");
    if (equals === 0) throw bad("ARG names can not be blank");
    return equals < 0
      ? { name: word, value: undefined }
      : { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
  return { ...written, op: "arg", args };
}

function parsePairs({ written, name, rest, escapeToken }: Parts, op: "env" | "label"): Instruction {
  return { ...written, op, ...keyValues(name, rest, escapeToken) };
}

function parseText(
  { written, name, rest }: Parts,
  op: "maintainer" | "user" | "workdir" | "stopsignal",
): Instruction {
  if (rest === "") throw bad(`${name} requires exactly one argument`);
  return { ...written, op, value: rest };
}

function parseList({ written, name, rest }: Parts, op: "expose" | "volume"): Instruction {
  const values = (op === "volume" ? jsonStrings(rest) : undefined) ?? splitBlanks(rest);
  if (values.length === 0) throw bad(`${name} requires at least one argument`);
  if (op === "volume" && values.some((path) => path === ""))
    throw bad("VOLUME specified can not be an empty string");
  return { ...written, op, values };
}

function commandOf(rest: string): Command {
  const args = jsonStrings(rest);
  return args === undefined ? { form: "shell", line: rest } : { form: "exec", args };
}

function parseCommand({ written, rest, name }: Parts, op: "cmd" | "entrypoint"): Instruction {
  if (rest === "") throw bad(`${name} requires at least one argument`);
  return { ...written, op, command: commandOf(rest) };
}

function parseShell({ written, rest }: Parts): Instruction {
  const shell = jsonStrings(rest);
  if (shell === undefined)
    throw bad("SHELL requires the arguments to be in JSON form", { hint: 'write SHELL ["/bin/bash", "-c"]' });
  if (shell.length === 0) throw bad("SHELL requires at least one argument");
  return { ...written, op: "shell", shell };
}

function parseOnbuild({ written, rest, heredocs }: Parts): Instruction {
  const [trigger] = firstWord(rest);
  const name = trigger.toUpperCase();
  if (name === "") throw bad("ONBUILD requires at least one argument");
  if (name === "ONBUILD") throw bad("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (name === "FROM" || name === "MAINTAINER") throw bad(`${name} isn't allowed as an ONBUILD trigger`);
  if (!INSTRUCTION_NAMES.includes(name)) throw unknownInstruction(trigger);
  const bodies = heredocs.map((heredoc) => `\n${heredoc.content}${heredoc.name}`);
  return { ...written, op: "onbuild", trigger: rest + bodies.join("") };
}

const NETWORKS = ["default", "none", "host"] as const;
const SECURITIES = ["sandbox", "insecure"] as const;

function parseRun({ written, flags, rest, heredocs }: Parts): Instruction {
  if (rest === "") throw bad("RUN requires at least one argument");
  const command = commandOf(rest);
  if (command.form === "exec" && command.args.length === 0) throw bad("RUN requires at least one argument");
  return {
    ...written,
    op: "run",
    command,
    heredocs,
    mounts: flags.list("mount"),
    network: oneOf("network", flags.text("network") ?? "default", NETWORKS),
    security: oneOf("security", flags.text("security") ?? "sandbox", SECURITIES),
    devices: flags.list("device"),
  };
}

function oneOf<Value extends string>(flag: string, value: string, values: readonly Value[]): Value {
  const found = values.find((each) => each === value);
  if (found === undefined)
    throw bad(`invalid ${flag} mode ${JSON.stringify(value)}`, { hint: `one of ${values.join(", ")}` });
  return found;
}

/** Sources and the destination after them. */
function copyWords({ name, rest, heredocs }: Parts): { sources: CopySource[]; destination: string } {
  const words = jsonStrings(rest) ?? splitBlanks(rest);
  const destination = words.at(-1);
  if (words.length < 2 || destination === undefined)
    throw bad(
      words.length === 0
        ? `${name} requires at least two arguments`
        : `${name} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  if (parseHeredoc(destination) !== undefined) throw bad(`${name} cannot accept a heredoc as a destination`);
  const left = [...heredocs];
  const sources = words.slice(0, -1).map((word): CopySource => {
    const heredoc = parseHeredoc(word);
    const body = heredoc === undefined ? undefined : left.shift();
    if (body === undefined) return { kind: "path", path: word };
    return {
      kind: "inline",
      name: body.name,
      content: heredocText(body),
      isExpanded: body.isExpanded,
    };
  });
  return { sources, destination };
}

/** What COPY and ADD have in common. */
function copying(parts: Parts): Copying {
  const { flags, written } = parts;
  return {
    ...written,
    ...copyWords(parts),
    chown: flags.text("chown") ?? "",
    chmod: flags.text("chmod") ?? "",
    link: flags.isOn("link"),
    excludes: flags.list("exclude"),
  };
}

function parseCopy(parts: Parts): Instruction {
  const { flags } = parts;
  return {
    ...copying(parts),
    op: "copy",
    from: flags.text("from") || undefined,
    parents: flags.isOn("parents"),
  };
}

function parseAdd(parts: Parts): Instruction {
  const { flags } = parts;
  return {
    ...copying(parts),
    op: "add",
    keepGitDir: flags.isOn("keep-git-dir"),
    checksum: flags.text("checksum") ?? "",
    unpack: flags.switchOf("unpack"),
  };
}
