import { PlyError } from "../../error.ts";
import { openFileChunks } from "../../host-file.ts";
import type { PlyLoadMessage } from "../../wire/index.ts";
import { answeredError } from "../../wire/index.ts";
import { command } from "../command.ts";
import { ExitError, INTERRUPTED } from "../failure.ts";
import { DONE } from "../output/index.ts";
import { createDisplay } from "../progress/index.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    input: {
      kind: "string",
      short: "i",
      value: "FILE",
      complete: "file",
      help: "Read here instead of from stdin",
    },
    quiet: { kind: "bool", short: "q", help: "Do not show how it goes" },
    platform: { kind: "string", value: "OS/ARCH[/VARIANT]", help: "Load only the image of this platform" },
  },
  description:
    "Reads what docker save, podman save, skopeo and ply save write, plain or compressed with gzip or zstd.",
  examples: [
    ["ply load -i app.tar.gz", "from a file"],
    ["docker save app | ply load", "from Docker"],
  ],
  async run(context, flags) {
    const { stdio } = context;
    if (flags.input === undefined && stdio.isTerminal("stdin"))
      throw new ExitError(1, "requested load from stdin, but stdin is a terminal: use the -i flag or a pipe");
    const title = flags.input ?? "stdin";
    using interruption = context.interruptible();
    const { signal } = interruption;
    const body = flags.input === undefined ? stdio.input() : await openFileChunks(flags.input);
    const display = flags.quiet ? undefined : createDisplay({ stdio, stream: "stdout" });
    const loaded: string[] = [];
    let finished = false;
    try {
      const messages = await context.engine.stream<PlyLoadMessage>("POST", "/ply/images/load", {
        query: { platform: flags.platform },
        body,
        signal,
      });
      for await (const message of messages) {
        if (message.type === "progress") display?.update(title, message.progress);
        else if (message.type === "loaded")
          loaded.push(
            message.name === undefined ? `Loaded image ID: ${message.id}` : `Loaded image: ${message.name}`,
          );
        else if (message.type === "error") throw answeredError(0, message.error);
        else finished = true;
      }
      display?.settle(title, loaded);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new ExitError(INTERRUPTED, "Load cancelled. Layers that were whole are kept for a while.");
    } finally {
      display?.close();
    }
    if (!finished)
      throw new PlyError("unavailable", "the engine closed the connection in the middle of the load", {
        hint: "load again: layers that were whole are kept for a while",
      });
    return display === undefined ? { kind: "lines", lines: loaded } : DONE;
  },
});
