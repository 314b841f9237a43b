import { command } from "../command.ts";
import { eachName } from "./each-name.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER...", min: 1, complete: "running" },
  flags: {
    signal: { kind: "string", short: "s", value: "SIGNAL", help: "Ask with this signal" },
    time: {
      kind: "int",
      short: "t",
      value: "SECONDS",
      help: "Kill it when it has not stopped after so long",
    },
  },
  run: ({ engine }, flags, names) =>
    eachName(names, async (name) => {
      await engine.json("POST", `/containers/${segment(name)}/stop`, {
        query: { signal: flags.signal, t: flags.time },
      });
      return [name];
    }),
});
