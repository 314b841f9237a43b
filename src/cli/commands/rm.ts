import { isPlyError } from "../../error.ts";
import { command } from "../command.ts";
import { eachName } from "./each-name.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER...", min: 1, complete: "container" },
  flags: {
    force: { kind: "bool", short: "f", help: "Running ones too: they are killed" },
    volumes: { kind: "bool", short: "v", help: "Their anonymous volumes too" },
  },
  run: ({ engine }, flags, names) =>
    eachName(names, async (name) => {
      try {
        await engine.json("DELETE", `/containers/${segment(name)}`, {
          query: { force: flags.force, v: flags.volumes },
        });
      } catch (error) {
        // Docker's `rm -f` is content when there is nothing to remove.
        if (flags.force && isPlyError(error, "not-found")) return [];
        throw error;
      }
      return [name];
    }),
});
