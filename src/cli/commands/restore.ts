import type { PlySnapshot } from "../../wire/index.ts";
import { command } from "../command.ts";
import { lines } from "../output/index.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER [SNAPSHOT]", min: 1, max: 2, complete: "container" },
  flags: {
    force: { kind: "bool", short: "f", help: "Kill it first when it runs, and start it again afterwards" },
  },
  description:
    "What the container wrote and its volumes are again what they were; all that came later is gone. The snapshot stays. Without a name: the newest one.",
  examples: [["ply restore -f db seeded", "the test data again, whatever the last test did"]],
  async run({ engine }, flags, [container = "", snapshot]) {
    const { name } = await engine.json<PlySnapshot>("POST", `/ply/containers/${segment(container)}/restore`, {
      query: { snapshot, force: flags.force },
    });
    return lines(name);
  },
});
