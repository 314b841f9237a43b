import type { PlyHistoryRow } from "../../wire/index.ts";
import { command } from "../command.ts";
import {
  type Column,
  formatAgo,
  formatRfc3339,
  formatSize,
  listing,
  printable,
  truncate,
} from "../output/index.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";
import { segment, shortId } from "./ids.ts";

const STEP_COLUMNS = 45;

export default command({
  args: { usage: "IMAGE", min: 1, max: 1, complete: "image" },
  flags: {
    human: {
      kind: "string",
      short: "H",
      value: "true|false",
      choices: ["true", "false"],
      default: "true",
      help: "Sizes and dates for people; false: bytes and RFC 3339",
    },
    "no-trunc": { kind: "bool", help: "Show ids and steps in full" },
    quiet: { kind: "bool", short: "q", help: "Only show ids" },
    format: LIST_FORMAT_FLAG,
  },
  description:
    "Newest step first. IMAGE is the image that ended with the step where it is here, else the id of the stack of layers up to it; a step that made no layer and no image has none. Template fields: .ID .CreatedSince .CreatedAt .CreatedBy .Size .Comment .Layer .Digest .Tags",
  examples: [["ply history --no-trunc --format '{{.Size}}\\t{{.CreatedBy}}' debian", "what each step cost"]],
  async run({ engine }, flags, [name = ""]) {
    const rows = await engine.json<PlyHistoryRow[]>("GET", `/ply/images/${segment(name)}/history`);
    const full = flags["no-trunc"];
    return listing({
      columns: historyColumns({ full, human: flags.human === "true", nowMs: Date.now() }),
      // Ids alone are for other commands: a step without one is left out.
      rows: flags.quiet ? rows.filter(({ id }) => id !== undefined && id !== "") : rows,
      shown: ["ID", flags.human === "true" ? "CreatedSince" : "CreatedAt", "CreatedBy", "Size", "Comment"],
      only: flags.quiet ? "ID" : undefined,
      format: flags.format,
    });
  },
});

function historyColumns(options: {
  readonly full: boolean;
  readonly human: boolean;
  readonly nowMs: number;
}): Column<PlyHistoryRow>[] {
  const { full, human, nowMs } = options;
  const id = (text: string | undefined): string => (text === undefined ? "" : full ? text : shortId(text));
  const at = ({ created }: PlyHistoryRow): number => Date.parse(created ?? "");
  const known = (row: PlyHistoryRow, format: (ms: number) => string): string => {
    const ms = at(row);
    return Number.isNaN(ms) ? "N/A" : format(ms);
  };
  const step = (row: PlyHistoryRow): string => printable(row.createdBy);
  return [
    // A dash, so that a step without an id is a cell one can see and cut.
    { name: "ID", heading: "IMAGE", value: (row) => id(row.id) || "-" },
    { name: "CreatedSince", heading: "CREATED", value: (row) => known(row, (ms) => formatAgo(ms, nowMs)) },
    { name: "CreatedAt", heading: "CREATED AT", value: (row) => known(row, (ms) => formatRfc3339(ms)) },
    {
      name: "CreatedBy",
      heading: "CREATED BY",
      value: (row) => (full ? step(row) : truncate(step(row), STEP_COLUMNS)),
    },
    { name: "Size", heading: "SIZE", value: ({ size }) => (human ? formatSize(size) : String(size)) },
    { name: "Comment", heading: "COMMENT", value: ({ comment }) => printable(comment) },
    { name: "Layer", heading: "LAYER", value: ({ diffId }) => id(diffId) },
    { name: "Digest", heading: "DIGEST", value: ({ digest }) => id(digest) },
    { name: "Tags", heading: "TAGS", value: ({ tags }) => tags.join(", ") },
  ];
}
