import type { PlyPlaceEntry } from "../../wire/index.ts";
import { command } from "../command.ts";
import { formatSize, listing, printable } from "../output/index.ts";
import { parseEndpoint } from "./copy-rules.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";
import { segment } from "./ids.ts";
import { modeLetters } from "./mode-letters.ts";

export default command({
  args: { usage: "[NAME:]PATH", min: 1, max: 1, complete: "file" },
  flags: {
    quiet: { kind: "bool", short: "q", help: "Only the names" },
    format: LIST_FORMAT_FLAG,
  },
  description:
    "What is in a directory of a container (running or not), an image, a volume, or of this host: the paths that ply cp takes. Template fields: .Mode .Owner .Size .Modified .Name .Type .Target",
  examples: [
    ["ply ls web:/etc/nginx", "in a container"],
    ["ply ls debian:12:/", "in an image: no container is made"],
    ["ply ls pgdata:/", "in a volume"],
  ],
  async run({ engine }, flags, [word = ""]) {
    const { place, path } = parseEndpoint(word);
    const entries =
      place === undefined
        ? await listHost(path)
        : await engine.json<PlyPlaceEntry[]>("GET", `/ply/places/${segment(place)}/list`, {
            query: { path },
          });
    return listing({
      columns: [
        { name: "Mode", heading: "MODE", value: modeLetters },
        { name: "Owner", heading: "OWNER", value: ({ uid, gid }) => `${uid}:${gid}` },
        {
          name: "Size",
          heading: "SIZE",
          value: ({ type, size }) => (type === "file" ? formatSize(size) : "-"),
        },
        {
          name: "Modified",
          heading: "MODIFIED",
          value: ({ mtime }) => `${mtime.slice(0, 10)} ${mtime.slice(11, 19)}`,
        },
        { name: "Type", heading: "TYPE", value: ({ type }) => type },
        { name: "Target", heading: "TARGET", value: ({ linkTarget }) => printable(linkTarget) },
        {
          name: "Name",
          heading: "NAME",
          value: ({ name, type, linkTarget }) =>
            printable(name) + (type === "symlink" && !flags.quiet ? ` -> ${printable(linkTarget)}` : ""),
        },
      ],
      rows: entries,
      shown: ["Mode", "Owner", "Size", "Modified", "Name"],
      only: flags.quiet ? "Name" : undefined,
      format: flags.format,
    });
  },
});

async function listHost(path: string): Promise<PlyPlaceEntry[]> {
  const [{ listDirectory, openRoot }, { localPath }] = await Promise.all([
    import("../../files/index.ts"),
    import("./copying.ts"),
  ]);
  using root = openRoot("/");
  return listDirectory(root, localPath(path)).map(({ mtimeNs, ...entry }) => ({
    ...entry,
    mtime: new Date(Number(mtimeNs / 1_000_000n)).toISOString(),
  }));
}
