import type { DockerChange } from "../../wire/index.ts";
import { command } from "../command.ts";
import { listing, printable } from "../output/index.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";
import { segment } from "./ids.ts";

/** By Docker's numbers. */
const LETTERS = ["C", "A", "D"] as const;

export default command({
  args: { usage: "CONTAINER", min: 1, max: 1, complete: "container" },
  flags: { format: LIST_FORMAT_FLAG },
  description: "A: added, C: changed, D: deleted.",
  async run({ engine }, flags, [name = ""]) {
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
