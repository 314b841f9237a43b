import { command } from "../command.ts";
import { OBJECT_FORMAT_FLAG } from "./format-flag.ts";
import { segment } from "./ids.ts";
import { inspectEach } from "./inspecting.ts";

export default command({
  args: { usage: "CONTAINER SNAPSHOT...", min: 2, complete: "container" },
  flags: { format: OBJECT_FORMAT_FLAG },
  examples: [["ply snapshot inspect -f '{{.tookMs}}' db seeded", "how many milliseconds it took"]],
  run({ engine }, flags, [container = "", ...names]) {
    const path = `/ply/containers/${segment(container)}/snapshots/`;
    return inspectEach(names, (name) => engine.json("GET", `${path}${segment(name)}`), flags.format);
  },
});
