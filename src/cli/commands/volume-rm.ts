import { command } from "../command.ts";
import { eachName } from "./each-name.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "VOLUME...", min: 1, complete: "volume" },
  flags: { force: { kind: "bool", short: "f", help: "Be content when it is not there" } },
  description: "A volume that a container uses, running or not, is never removed.",
  run: ({ engine }, flags, names) =>
    eachName(names, async (name) => {
      await engine.json("DELETE", `/volumes/${segment(name)}`, { query: { force: flags.force } });
      return [name];
    }),
});
