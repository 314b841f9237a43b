import { openFileChunks } from "../../host-file.ts";
import type { DockerProgressLine } from "../../wire/index.ts";
import { answeredError } from "../../wire/index.ts";
import { command } from "../command.ts";
import { ExitError } from "../failure.ts";
import { lines } from "../output/index.ts";
import { splitTag } from "./ids.ts";

export default command({
  args: { usage: "FILE|URL|- [REPOSITORY[:TAG]]", min: 1, max: 2, complete: "file" },
  flags: {
    change: {
      kind: "list",
      short: "c",
      value: "INSTRUCTION",
      help: "Dockerfile instruction for the image's settings",
    },
    message: { kind: "string", short: "m", value: "TEXT", help: "Comment for the image's history" },
    platform: { kind: "string", value: "OS/ARCH[/VARIANT]", help: "What the files are for" },
  },
  examples: [["ply import -c 'CMD [\"/bin/sh\"]' rootfs.tar.gz debian:mine", "an image of one layer"]],
  async run(context, flags, [source = "", name]) {
    const { stdio, engine } = context;
    const isUrl = /^https?:\/\//.test(source);
    if (source === "-" && stdio.isTerminal("stdin"))
      throw new ExitError(1, "requested import from stdin, but stdin is a terminal: use a pipe");
    const body = isUrl ? undefined : source === "-" ? stdio.input() : await openFileChunks(source);
    using interruption = context.interruptible();
    const answers = await engine.stream<DockerProgressLine>("POST", "/images/create", {
      query: {
        fromSrc: isUrl ? source : "-",
        ...(name === undefined ? {} : splitTag(name)),
        changes: flags.change,
        message: flags.message,
        platform: flags.platform,
      },
      ...(body === undefined ? {} : { body }),
      signal: interruption.signal,
    });
    let id = "";
    for await (const { status, error, errorDetail } of answers) {
      const message = errorDetail?.message ?? error;
      if (message !== undefined) throw answeredError(500, { message });
      if (status?.startsWith("sha256:")) id = status;
    }
    return lines(id);
  },
});
