import type { PlySnapshot } from "../../wire/index.ts";
import { command } from "../command.ts";
import { type Column, formatAgo, formatSize, listing } from "../output/index.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";

const columns = (nowMs: number): readonly Column<PlySnapshot>[] => [
  { name: "Container", heading: "CONTAINER", value: ({ container }) => container.name },
  { name: "Name", heading: "SNAPSHOT", value: ({ name }) => name },
  { name: "CreatedSince", heading: "CREATED", value: ({ created }) => formatAgo(Date.parse(created), nowMs) },
  { name: "CreatedAt", heading: "CREATED AT", value: ({ created }) => created },
  { name: "Size", heading: "SIZE", value: ({ size }) => formatSize(size) },
  { name: "Method", heading: "METHOD", value: ({ method }) => method },
  { name: "Volumes", heading: "VOLUMES", value: ({ volumes }) => volumes.map(({ name }) => name).join(",") },
];

export default command({
  args: { usage: "[CONTAINER]", min: 0, max: 1, complete: "container" },
  flags: {
    quiet: { kind: "bool", short: "q", help: "Only show names" },
    format: LIST_FORMAT_FLAG,
  },
  description:
    "SIZE is that of the files kept, which the container and other snapshots may share. METHOD: shared (blocks of the filesystem), stacked (below a new layer) or copied. Template fields: .Container .Name .CreatedSince .CreatedAt .Size .Method .Volumes",
  async run({ engine }, flags, [container]) {
    const rows = await engine.json<PlySnapshot[]>("GET", "/ply/snapshots", { query: { container } });
    return listing({
      columns: columns(Date.now()),
      rows,
      shown: ["Container", "Name", "CreatedSince", "Size", "Method", "Volumes"],
      only: flags.quiet ? "Name" : undefined,
      format: flags.format,
    });
  },
});
