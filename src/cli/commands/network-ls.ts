import type { DockerNetwork } from "../../wire/index.ts";
import { command } from "../command.ts";
import { type Column, formatTimestamp, listing } from "../output/index.ts";
import { FILTER_FLAG, filtersParameter, parseFilters } from "./filter-flag.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";
import { shortId } from "./ids.ts";
import { formatLabels } from "./labels.ts";

const columns = (full: boolean): readonly Column<DockerNetwork>[] => [
  { name: "ID", heading: "NETWORK ID", value: ({ Id }) => (full ? Id : shortId(Id)) },
  { name: "Name", heading: "NAME", value: ({ Name }) => Name },
  { name: "Driver", heading: "DRIVER", value: ({ Driver }) => Driver },
  { name: "Scope", heading: "SCOPE", value: ({ Scope }) => Scope },
  { name: "IPv4", heading: "IPV4", value: ({ EnableIPv4 }) => String(EnableIPv4) },
  { name: "IPv6", heading: "IPV6", value: ({ EnableIPv6 }) => String(EnableIPv6) },
  { name: "Internal", heading: "INTERNAL", value: ({ Internal }) => String(Internal) },
  { name: "Subnets", heading: "SUBNETS", value: subnetsOf },
  { name: "CreatedAt", heading: "CREATED AT", value: ({ Created }) => formatTimestamp(Date.parse(Created)) },
  { name: "Labels", heading: "LABELS", value: ({ Labels }) => formatLabels(Labels) },
];

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    quiet: { kind: "bool", short: "q", help: "Only show ids" },
    "no-trunc": { kind: "bool", help: "Show ids in full" },
    filter: FILTER_FLAG,
    format: LIST_FORMAT_FLAG,
  },
  description:
    'Filters: dangling=true|false, driver, id, label, name, scope, type=builtin|custom. Template fields: .ID .Name .Driver .Scope .IPv4 .IPv6 .Internal .Subnets .CreatedAt .Labels and .Label "key"',
  examples: [["ply network ls --format 'table {{.Name}}\\t{{.Subnets}}'", "which addresses belong to which"]],
  async run({ engine }, flags) {
    const networks = await engine.json<DockerNetwork[]>("GET", "/networks", {
      query: { filters: filtersParameter(parseFilters(flags.filter, Date.now())) },
    });
    return listing({
      columns: columns(flags["no-trunc"]),
      rows: [...networks].sort((one, other) => (one.Name < other.Name ? -1 : 1)),
      methods: { Label: ({ Labels }, key) => Labels?.[key] ?? "" },
      shown: ["ID", "Name", "Driver", "Scope"],
      only: flags.quiet ? "ID" : undefined,
      format: flags.format,
    });
  },
});

function subnetsOf({ IPAM }: DockerNetwork): string {
  return (IPAM.Config ?? []).flatMap(({ Subnet }) => (Subnet === undefined ? [] : [Subnet])).join(", ");
}
