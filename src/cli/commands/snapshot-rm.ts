import { command } from "../command.ts";
import { eachName } from "./each-name.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER SNAPSHOT...", min: 2, complete: "container" },
  flags: {},
  description: "The container and its volumes stay as they are. With a container its snapshots go too.",
  run: ({ engine }, _flags, [container = "", ...names]) =>
    eachName(names, async (name) => {
      await engine.json("DELETE", `/ply/containers/${segment(container)}/snapshots/${segment(name)}`);
      return [name];
    }),
});
