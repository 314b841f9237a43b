import { command } from "../command.ts";
import { eachName } from "./each-name.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER...", min: 1, complete: "container" },
  flags: {
    signal: { kind: "string", short: "s", value: "SIGNAL", help: "Ask it to stop with this signal" },
    time: {
      kind: "int",
      short: "t",
      value: "SECONDS",
      help: "Kill it when it has not stopped after so long",
    },
    timeout: { kind: "int", value: "SECONDS", help: "Same as --time" },
  },
  run: ({ engine }, flags, names) =>
    eachName(names, async (name) => {
      await engine.json("POST", `/containers/${segment(name)}/restart`, {
        query: { signal: flags.signal, t: flags.time ?? flags.timeout },
      });
      return [name];
    }),
});
