import type { PlyFile, PlyImageLayers } from "../../wire/index.ts";
import { command } from "../command.ts";
import { UsageError } from "../failure.ts";
import { formatSize, listing, printable } from "../output/index.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";
import { segment, shortId } from "./ids.ts";
import { modeLetters } from "./mode-letters.ts";

export default command({
  args: { usage: "IMAGE [PATH]", min: 1, max: 2, complete: "image" },
  flags: {
    layer: {
      kind: "string",
      short: "l",
      value: "N",
      help: "Only what this layer brings; the bottom one is 1",
    },
    format: LIST_FORMAT_FLAG,
  },
  description:
    "The union of the layers, as a container sees it: what an upper layer replaces or deletes is not there any more. Nothing is mounted or started. Template fields: .Layer .DiffID .Mode .Owner .Size .Path .Type .Target",
  examples: [
    ["ply image files debian:12 /etc", "what is in /etc, and which layer put it there"],
    ["ply image files -l 3 app:1", "what the third layer brings"],
  ],
  async run({ engine }, flags, [name = "", path = "/"]) {
    const [files, { layers }] = await Promise.all([
      engine.json<PlyFile[]>("GET", `/ply/images/${segment(name)}/files`, { query: { path } }),
      engine.json<PlyImageLayers>("GET", `/ply/images/${segment(name)}/layers`),
    ]);
    const only = flags.layer === undefined ? undefined : parseLayer(flags.layer, layers.length);
    return listing({
      columns: [
        {
          name: "Layer",
          heading: "LAYER",
          value: ({ layer }) => (layer === null ? "-" : `${layer + 1}/${layers.length}`),
        },
        {
          name: "DiffID",
          heading: "DIFF ID",
          value: ({ diffId }) => (diffId === null ? "-" : shortId(diffId)),
        },
        { name: "Mode", heading: "MODE", value: modeLetters },
        { name: "Owner", heading: "OWNER", value: ({ uid, gid }) => `${uid}:${gid}` },
        {
          name: "Size",
          heading: "SIZE",
          value: ({ type, size }) => (type === "file" ? formatSize(size) : "-"),
        },
        { name: "Type", heading: "TYPE", value: ({ type }) => type },
        { name: "Target", heading: "TARGET", value: ({ linkTarget }) => printable(linkTarget) },
        {
          name: "Path",
          heading: "PATH",
          value: (file) =>
            printable(file.path) + (file.type === "symlink" ? ` -> ${printable(file.linkTarget)}` : ""),
        },
      ],
      rows: only === undefined ? files : files.filter(({ layer }) => layer === only),
      shown: ["Layer", "DiffID", "Mode", "Owner", "Size", "Path"],
      format: flags.format,
    });
  },
});

function parseLayer(text: string, count: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > count)
    throw new UsageError(`--layer ${text}: the image has layers 1 to ${count}`);
  return number - 1;
}
