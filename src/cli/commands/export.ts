import { writeFileWhole } from "../../host-file.ts";
import { command } from "../command.ts";
import { ExitError } from "../failure.ts";
import { DONE } from "../output/index.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER", min: 1, max: 1, complete: "container" },
  flags: {
    output: {
      kind: "string",
      short: "o",
      value: "FILE",
      complete: "file",
      help: "Write here instead of to stdout",
    },
  },
  description: "All files of a container's root as one tar archive; volumes and binds are left out.",
  examples: [["ply export web | ply import - web:flat", "an image of a single layer"]],
  async run(context, flags, [name = ""]) {
    const { stdio } = context;
    if (flags.output === undefined && stdio.isTerminal("stdout"))
      throw new ExitError(1, "cowardly refusing to save to a terminal: use the -o flag or redirect");
    using interruption = context.interruptible();
    const { body } = await context.engine.request("GET", `/containers/${segment(name)}/export`, {
      signal: interruption.signal,
    });
    if (flags.output !== undefined) await writeFileWhole(flags.output, body);
    else for await (const chunk of body) await stdio.writeBytes("stdout", chunk);
    return DONE;
  },
});
