import { command } from "../command.ts";
import { OBJECT_FORMAT_FLAG } from "./format-flag.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER SNAPSHOT...", min: 2, complete: "container" },
  flags: { format: OBJECT_FORMAT_FLAG },
  examples: [["ply snapshot inspect -f '{{.tookMs}}' db seeded", "how many milliseconds it took"]],
  async run({ engine }, flags, [container = "", ...names]) {
    const values: unknown[] = [];
    const errors: unknown[] = [];
    for (const name of names)
      try {
        values.push(
          await engine.json("GET", `/ply/containers/${segment(container)}/snapshots/${segment(name)}`),
        );
      } catch (error) {
        errors.push(error);
      }
    return {
      kind: "documents",
      values,
      errors,
      ...(flags.format === undefined ? {} : { format: flags.format }),
    };
  },
});
