import type { DockerVolume, DockerVolumeList } from "../../wire/index.ts";
import { command } from "../command.ts";
import { type Column, listing } from "../output/index.ts";
import { FILTER_FLAG, filtersParameter, parseFilters } from "./filter-flag.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";
import { formatLabels } from "./labels.ts";

const COLUMNS: readonly Column<DockerVolume>[] = [
  { name: "Driver", heading: "DRIVER", value: ({ Driver }) => Driver },
  { name: "Name", heading: "VOLUME NAME", value: ({ Name }) => Name },
  { name: "Scope", heading: "SCOPE", value: ({ Scope }) => Scope },
  { name: "Mountpoint", heading: "MOUNTPOINT", value: ({ Mountpoint }) => Mountpoint },
  { name: "CreatedAt", heading: "CREATED AT", value: ({ CreatedAt = "" }) => CreatedAt },
  { name: "Labels", heading: "LABELS", value: ({ Labels }) => formatLabels(Labels) },
];

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    quiet: { kind: "bool", short: "q", help: "Only show names" },
    filter: FILTER_FLAG,
    format: LIST_FORMAT_FLAG,
  },
  description:
    'Filters: dangling=true|false, driver, label, name. Template fields: .Name .Driver .Scope .Mountpoint .CreatedAt .Labels and .Label "key"',
  examples: [["ply volume ls -q --filter dangling=true", "volumes that no container uses"]],
  async run({ engine }, flags) {
    const { Volumes } = await engine.json<DockerVolumeList>("GET", "/volumes", {
      query: { filters: filtersParameter(parseFilters(flags.filter, Date.now())) },
    });
    return listing({
      columns: COLUMNS,
      rows: Volumes,
      methods: { Label: ({ Labels }, key) => Labels?.[key] ?? "" },
      shown: ["Driver", "Name"],
      only: flags.quiet ? "Name" : undefined,
      format: flags.format,
    });
  },
});
