import type { DockerChange, PlyChange } from "../../wire/index.ts";
import { command } from "../command.ts";
import { formatSize, listing, printable } from "../output/index.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";
import { segment } from "./ids.ts";

/** By Docker's numbers. */
const LETTERS = ["C", "A", "D"] as const;
const LETTER_OF = { modified: "C", added: "A", deleted: "D" } as const;
const WORDS: Readonly<Record<string, string>> = { mtime: "time" };

export default command({
  args: { usage: "CONTAINER", min: 1, max: 1, complete: "container" },
  flags: {
    detail: {
      kind: "bool",
      short: "d",
      help: "Say what changed: type, content, mode, owner, time, xattr, link, device",
    },
    format: LIST_FORMAT_FLAG,
  },
  description:
    "A: added, C: changed, D: deleted. A directory is changed by what is in it. With --detail the template fields are .Type .Path .What .Before .After .Kind",
  examples: [["ply diff -d web", "what changed, and in what way"]],
  async run({ engine }, flags, [name = ""]) {
    if (flags.detail) {
      const changes = await engine.json<PlyChange[]>("GET", `/ply/containers/${segment(name)}/changes`);
      return listing<PlyChange>({
        columns: [
          { name: "Type", heading: "CHANGE", value: ({ kind }) => LETTER_OF[kind] },
          { name: "What", heading: "WHAT", value: whatOf },
          { name: "Before", heading: "BEFORE", value: ({ sizeBefore }) => sizeText(sizeBefore) },
          { name: "After", heading: "AFTER", value: ({ sizeAfter }) => sizeText(sizeAfter) },
          { name: "Kind", heading: "KIND", value: ({ type }) => type },
          { name: "Path", heading: "PATH", value: ({ path }) => printable(path) },
        ],
        rows: changes,
        shown: ["Type", "What", "Before", "After", "Path"],
        format: flags.format,
      });
    }
    const changes = await engine.json<DockerChange[] | null>("GET", `/containers/${segment(name)}/changes`);
    return listing({
      columns: [
        { name: "Type", heading: "CHANGE TYPE", value: ({ Kind }) => LETTERS[Kind] ?? "?" },
        { name: "Path", heading: "PATH", value: ({ Path }) => printable(Path) },
      ],
      rows: changes ?? [],
      shown: ["Type", "Path"],
      format: flags.format ?? "{{.Type}} {{.Path}}",
    });
  },
});

function whatOf({ kind, aspects }: PlyChange): string {
  if (kind !== "modified") return "-";
  return aspects.length === 0 ? "below" : aspects.map((aspect) => WORDS[aspect] ?? aspect).join(",");
}

function sizeText(size: number | null): string {
  return size === null ? "-" : formatSize(size);
}
