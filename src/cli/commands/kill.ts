import { command } from "../command.ts";
import { eachName } from "./each-name.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER...", min: 1, complete: "running" },
  flags: {
    signal: {
      kind: "string",
      short: "s",
      value: "SIGNAL",
      default: "KILL",
      help: "Signal to send, by name or number",
    },
  },
  run: ({ engine }, flags, names) =>
    eachName(names, async (name) => {
      await engine.json("POST", `/containers/${segment(name)}/kill`, { query: { signal: flags.signal } });
      return [name];
    }),
});
