import { isPlyError } from "../../error.ts";
import { command } from "../command.ts";
import { eachName } from "./each-name.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "NETWORK...", min: 1, complete: "network" },
  flags: { force: { kind: "bool", short: "f", help: "Be content when it is not there" } },
  description: "A network on which a container runs is never removed.",
  run: ({ engine }, flags, names) =>
    eachName(names, async (name) => {
      try {
        await engine.json("DELETE", `/networks/${segment(name)}`);
      } catch (error) {
        if (!flags.force || !isPlyError(error, "not-found")) throw error;
      }
      return [name];
    }),
});
