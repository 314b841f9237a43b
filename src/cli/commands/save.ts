import { writeFileWhole } from "../../host-file.ts";
import { command } from "../command.ts";
import { ExitError } from "../failure.ts";
import { DONE } from "../output/index.ts";

export default command({
  args: { usage: "IMAGE...", min: 1, complete: "image" },
  flags: {
    output: {
      kind: "string",
      short: "o",
      value: "FILE",
      complete: "file",
      help: "Write here instead of to stdout",
    },
    format: {
      kind: "string",
      choices: ["docker", "oci"],
      default: "docker",
      help: "docker: what every engine reads, both layouts in one archive; oci: an OCI image layout alone",
    },
    platform: { kind: "string", value: "OS/ARCH[/VARIANT]", help: "Save the image of this platform" },
  },
  description: "The same images make the same bytes every time.",
  examples: [
    ["ply save -o app.tar app:1.2 db:3", "two images in one file"],
    ["ply save app | ssh host ply load", "to another machine"],
  ],
  async run(context, flags, names) {
    const { stdio } = context;
    if (flags.output === undefined && stdio.isTerminal("stdout"))
      throw new ExitError(1, "cowardly refusing to save to a terminal: use the -o flag or redirect");
    using interruption = context.interruptible();
    const { body } = await context.engine.request("GET", "/ply/images/save", {
      query: { names, format: flags.format, platform: flags.platform },
      signal: interruption.signal,
    });
    if (flags.output !== undefined) await writeFileWhole(flags.output, body);
    else for await (const chunk of body) await stdio.writeBytes("stdout", chunk);
    return DONE;
  },
});
