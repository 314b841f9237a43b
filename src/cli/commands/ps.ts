import type { DockerContainerSummary } from "../../wire/index.ts";
import { command } from "../command.ts";
import {
  type Column,
  formatAgo,
  formatDuration,
  formatMentions,
  formatSize,
  formatTimestamp,
  listing,
  printable,
  truncate,
} from "../output/index.ts";
import { FILTER_FLAG, filtersParameter, parseFilters } from "./filter-flag.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";
import { shortId } from "./ids.ts";
import { formatLabels } from "./labels.ts";
import { formatPorts } from "./ports-column.ts";

const COMMAND_COLUMNS = 20;

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    all: { kind: "bool", short: "a", help: "Stopped containers too" },
    quiet: { kind: "bool", short: "q", help: "Only show ids" },
    last: {
      kind: "int",
      short: "n",
      default: -1,
      value: "N",
      help: "The N created last, whatever their state",
    },
    latest: { kind: "bool", short: "l", help: "The one created last, whatever its state" },
    size: { kind: "bool", short: "s", help: "Show what each wrote to its own layer" },
    "no-trunc": { kind: "bool", help: "Show everything in full" },
    filter: FILTER_FLAG,
    format: LIST_FORMAT_FLAG,
  },
  description:
    'Filters: id, name, label, status, exited, ancestor, before, since, volume, network, publish, expose. Template fields: .ID .Names .Image .Command .CreatedAt .RunningFor .State .Status .Ports .Size .Labels .Mounts .Networks and .Label "key"',
  async run({ engine }, flags) {
    const nowMs = Date.now();
    const limit = flags.latest ? 1 : flags.last > 0 ? flags.last : undefined;
    const containers = await engine.json<DockerContainerSummary[]>("GET", "/containers/json", {
      query: {
        all: flags.all || limit !== undefined,
        limit,
        size: flags.size || formatMentions(flags.format, "Size"),
        filters: filtersParameter(parseFilters(flags.filter, nowMs)),
      },
    });
    return listing({
      columns: columns({ full: flags["no-trunc"], nowMs }),
      rows: containers,
      methods: { Label: ({ Labels }, key) => Labels?.[key] ?? "" },
      shown: [
        "ID",
        "Image",
        "Command",
        "RunningFor",
        "Status",
        "Ports",
        "Names",
        ...(flags.size ? ["Size"] : []),
      ],
      only: flags.quiet ? "ID" : undefined,
      format: flags.format,
    });
  },
});

function columns(options: {
  readonly full: boolean;
  readonly nowMs: number;
}): Column<DockerContainerSummary>[] {
  const { full, nowMs } = options;
  const cut = (text: string, width: number): string => (full ? text : truncate(text, width));
  return [
    { name: "ID", heading: "CONTAINER ID", value: ({ Id }) => (full ? Id : shortId(Id)) },
    {
      name: "Image",
      heading: "IMAGE",
      value: ({ Image }) => (full || !Image.startsWith("sha256:") ? Image : shortId(Image)),
    },
    {
      name: "Command",
      heading: "COMMAND",
      value: ({ Command }) => `"${cut(printable(Command), COMMAND_COLUMNS)}"`,
    },
    { name: "CreatedAt", heading: "CREATED AT", value: ({ Created }) => formatTimestamp(Created * 1000) },
    { name: "RunningFor", heading: "CREATED", value: ({ Created }) => formatAgo(Created * 1000, nowMs) },
    { name: "CreatedFor", heading: "AGE", value: ({ Created }) => formatDuration(nowMs - Created * 1000) },
    { name: "State", heading: "STATE", value: ({ State }) => State },
    { name: "Status", heading: "STATUS", value: ({ Status }) => Status },
    { name: "Ports", heading: "PORTS", value: ({ Ports }) => formatPorts(Ports) },
    {
      name: "Names",
      heading: "NAMES",
      value: ({ Names }) => (Names ?? []).map((name) => name.replace(/^\//, "")).join(","),
    },
    {
      name: "Size",
      heading: "SIZE",
      value: ({ SizeRw = 0, SizeRootFs = 0 }) =>
        SizeRootFs > 0 ? `${formatSize(SizeRw)} (virtual ${formatSize(SizeRootFs)})` : formatSize(SizeRw),
    },
    {
      name: "Labels",
      heading: "LABELS",
      value: ({ Labels }) => formatLabels(Labels),
    },
    {
      name: "Mounts",
      heading: "MOUNTS",
      value: ({ Mounts }) => (Mounts ?? []).map(({ Name, Source }) => Name ?? Source).join(","),
    },
    {
      name: "Networks",
      heading: "NETWORKS",
      value: ({ NetworkSettings }) => Object.keys(NetworkSettings?.Networks ?? {}).join(","),
    },
  ];
}
