import { command } from "../command.ts";
import { DONE } from "../output/index.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER NEW_NAME", min: 2, max: 2, complete: "container" },
  flags: {},
  async run({ engine }, _flags, [name = "", to = ""]) {
    await engine.json("POST", `/containers/${segment(name)}/rename`, { query: { name: to } });
    return DONE;
  },
});
