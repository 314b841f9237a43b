import type { DockerImageDelete } from "../../wire/index.ts";
import { command } from "../command.ts";
import type { Output } from "../output/index.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "IMAGE...", min: 1, complete: "image" },
  flags: {
    force: { kind: "bool", short: "f", help: "Remove it though it has several names, or stopped containers" },
    "no-prune": { kind: "bool", help: "Keep untagged parents" },
  },
  async run({ engine }, flags, names): Promise<Output> {
    const lines: string[] = [];
    const errors: unknown[] = [];
    // One after the other: removing a name may be what makes the next one removable.
    for (const name of names)
      try {
        const removed = await engine.json<DockerImageDelete[]>("DELETE", `/images/${segment(name)}`, {
          query: { force: flags.force, noprune: flags["no-prune"] },
        });
        lines.push(...removed.map(removedLine));
      } catch (error) {
        errors.push(error);
      }
    return { kind: "lines", lines, errors };
  },
});

function removedLine({ Untagged, Deleted }: DockerImageDelete): string {
  return Deleted === undefined ? `Untagged: ${Untagged ?? ""}` : `Deleted: ${Deleted}`;
}
