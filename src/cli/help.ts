import { CATALOGUE, type CatalogueEntry, GROUPS, SECTIONS, verbsOf } from "./catalogue.ts";
import { TLS_FLAGS } from "./client/index.ts";
import type { Command } from "./command.ts";
import type { FlagSpec, FlagSpecs } from "./flags.ts";

const FALLBACK_COLUMNS = 100;
const MAX_COLUMNS = 120;
/** A flag column wider than this would leave no room for its text. */
const MAX_FLAG_COLUMN = 32;

export const GLOBAL_FLAGS = {
  host: {
    kind: "string",
    short: "H",
    value: "ADDRESS",
    help: "Engine to talk to: unix:///path, tcp://host:port, ssh://user@host (also PLY_HOST, DOCKER_HOST)",
  },
  context: {
    kind: "string",
    short: "c",
    value: "NAME",
    help: "A context of docker context (also DOCKER_CONTEXT)",
  },
  ...TLS_FLAGS,
  version: { kind: "bool", short: "v", help: "Print the version and quit" },
} as const satisfies FlagSpecs;

/** `ply --help`. */
export function formatMainHelp(columns = FALLBACK_COLUMNS): string {
  const sections = SECTIONS.map((section) => {
    const entries = CATALOGUE.filter((entry) => entry.section === section && !entry.names[0].includes(" "));
    return `${section}:\n${pairs(
      entries.map(({ names, summary }) => [names[0], summary]),
      columns,
    )}`;
  });
  return [
    "Usage:  ply [OPTIONS] COMMAND",
    "Containers and images, layer by layer: pulls, runs, commits and explains images without ever unpacking one.",
    ...sections,
    `Groups:\n${pairs(Object.entries(GROUPS), columns)}`,
    `Options:\n${flagTable(GLOBAL_FLAGS, columns)}`,
    `Examples:\n${formatExamples([
      ["ply run --rm -it debian bash", "a shell in a throw-away container"],
      ["ply images --sizes", "what each image costs on disk, alone and shared"],
      ["ply history debian", "the steps an image was built in"],
    ])}`,
    "Run 'ply COMMAND --help' (or 'ply help COMMAND') for more about a command.",
  ].join("\n\n");
}

/** `ply image --help`. */
export function formatGroupHelp(group: string, columns = FALLBACK_COLUMNS): string {
  return [
    `Usage:  ply ${group} COMMAND`,
    GROUPS[group] ?? "",
    `Commands:\n${pairs(
      verbsOf(group).map(({ verb, entry }) => [verb, entry.summary]),
      columns,
    )}`,
    `Run 'ply ${group} COMMAND --help' for more about a command.`,
  ].join("\n\n");
}

/** `ply pull --help`. */
export function formatCommandHelp(
  entry: CatalogueEntry,
  command: Command,
  columns = FALLBACK_COLUMNS,
): string {
  const width = Math.min(columns, MAX_COLUMNS);
  const blocks = [formatUsage(entry, command), entry.summary];
  if (command.description !== undefined) blocks.push(wrap(command.description, width, 0));
  if (entry.names.length > 1)
    blocks.push(`Aliases:\n  ${entry.names.map((name) => `ply ${name}`).join(", ")}`);
  if (Object.keys(command.flags).length > 0) blocks.push(`Options:\n${flagTable(command.flags, width)}`);
  if (command.examples !== undefined) blocks.push(`Examples:\n${formatExamples(command.examples)}`);
  return blocks.join("\n\n");
}

/** `Usage:  ply pull [OPTIONS] NAME...` */
export function formatUsage(entry: CatalogueEntry, command: Command): string {
  const options = Object.keys(command.flags).length > 0 ? " [OPTIONS]" : "";
  return `Usage:  ply ${entry.names[0]}${options}${command.args.usage === "" ? "" : ` ${command.args.usage}`}`;
}

function flagTable(flags: FlagSpecs, columns: number): string {
  const rows = Object.entries(flags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, spec]): [string, string] => [flagHead(name, spec), flagText(spec)]);
  return pairs(rows, columns);
}

function flagHead(name: string, spec: FlagSpec): string {
  const value = spec.kind === "bool" ? "" : ` ${valueName(spec)}`;
  return `${spec.short === undefined ? "    " : `-${spec.short}, `}--${name}${value}`;
}

function valueName({ kind, value, choices }: FlagSpec): string {
  return value ?? choices?.join("|") ?? (kind === "int" ? "N" : "VALUE");
}

function flagText(spec: FlagSpec): string {
  const repeat = spec.kind === "list" ? " (may be repeated)" : "";
  const preset = spec.default === undefined || spec.default === "" ? "" : ` (default ${spec.default})`;
  return spec.help + repeat + preset;
}

/** Two columns, the second one wrapped. */
function pairs(rows: readonly (readonly [string, string])[], columns: number): string {
  const left = Math.min(MAX_FLAG_COLUMN, Math.max(0, ...rows.map(([head]) => head.length)));
  const indent = 2 + left + 3;
  return rows
    .map(([head, text]) => {
      const wrapped = wrap(text, columns, indent);
      return head.length > left
        ? `  ${head}\n${" ".repeat(indent)}${wrapped}`
        : `  ${head.padEnd(left)}   ${wrapped}`;
    })
    .join("\n");
}

/** Lines of at most `columns`, the second and later ones indented. */
function wrap(text: string, columns: number, indent: number): string {
  const width = Math.max(20, columns - indent);
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.join(`\n${" ".repeat(indent)}`);
}

function formatExamples(examples: readonly (readonly [string, string])[]): string {
  return examples.map(([line, meaning]) => `  # ${meaning}\n  ${line}`).join("\n");
}
