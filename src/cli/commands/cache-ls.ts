import type { PlyCacheMount } from "../../wire/index.ts";
import { command } from "../command.ts";
import { type Column, formatAgo, formatSize, listing } from "../output/index.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";

/** As many characters of a key as one types. */
const SHORT_KEY = 12;

const columns = (nowMs: number): readonly Column<PlyCacheMount>[] => [
  { name: "ID", heading: "CACHE ID", value: ({ id }) => id },
  {
    name: "Key",
    heading: "KEY",
    value: ({ key }) => key.replace(/^\w+/, (stem) => stem.slice(0, SHORT_KEY)),
  },
  { name: "Targets", heading: "TARGETS", value: ({ targets }) => targets.join(",") },
  { name: "Step", heading: "LAST STEP", value: ({ step }) => step },
  { name: "Size", heading: "SIZE", value: ({ size }) => formatSize(size) },
  { name: "Files", heading: "FILES", value: ({ files }) => String(files) },
  { name: "CreatedSince", heading: "CREATED", value: ({ created }) => formatAgo(Date.parse(created), nowMs) },
  { name: "CreatedAt", heading: "CREATED AT", value: ({ created }) => created },
  { name: "LastUsed", heading: "LAST USED", value: ({ lastUsed }) => formatAgo(Date.parse(lastUsed), nowMs) },
  { name: "UseCount", heading: "USES", value: ({ useCount }) => String(useCount) },
  { name: "InUse", heading: "IN USE", value: ({ inUse }) => (inUse ? "yes" : "no") },
  { name: "Sharing", heading: "SHARING", value: ({ sharing }) => sharing },
  { name: "Owner", heading: "OWNER", value: ({ uid, gid }) => `${uid}:${gid}` },
];

export default command({
  args: { usage: "[CACHE...]", min: 0 },
  flags: {
    quiet: { kind: "bool", short: "q", help: "Only show keys" },
    format: LIST_FORMAT_FLAG,
  },
  description:
    "Several caches may have one id: those of other owners (uid=, gid=, mode=), with other beginnings (from=), and copies of private ones. Template fields: .ID .Key .Targets .Step .Size .Files .CreatedSince .CreatedAt .LastUsed .UseCount .InUse .Sharing .Owner",
  async run({ engine }, flags, names) {
    const rows = await engine.json<PlyCacheMount[]>("GET", "/ply/cache", { query: { name: names } });
    return listing({
      columns: columns(Date.now()),
      rows,
      shown: ["ID", "Key", "Targets", "Size", "Files", "CreatedSince", "LastUsed", "InUse", "Sharing"],
      only: flags.quiet ? "Key" : undefined,
      format: flags.format,
    });
  },
});
