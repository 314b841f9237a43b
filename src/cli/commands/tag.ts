import { parseReference } from "../../oci/index.ts";
import { command } from "../command.ts";
import { DONE } from "../output/index.ts";
import { segment, splitTag } from "./ids.ts";

export default command({
  args: { usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", min: 2, max: 2, complete: "image" },
  flags: {},
  examples: [["ply tag app:dev localhost:5000/app:1.2", "a name to push under"]],
  async run({ engine }, _flags, [source = "", target = ""]) {
    // An empty name is a missing parameter to the engine: say here what is wrong with it.
    parseReference(target);
    await engine.json("POST", `/images/${segment(source)}/tag`, { query: splitTag(target) });
    return DONE;
  },
});
