import { command } from "../command.ts";
import { eachName } from "./each-name.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER...", min: 1, complete: "running" },
  flags: {},
  run: ({ engine }, _flags, names) =>
    eachName(names, async (name) => {
      await engine.json("POST", `/containers/${segment(name)}/pause`);
      return [name];
    }),
});
