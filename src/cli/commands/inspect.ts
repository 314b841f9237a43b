import { command } from "../command.ts";
import { OBJECT_FORMAT_FLAG } from "./format-flag.ts";
import { inspectObjects } from "./inspecting.ts";

export default command({
  args: { usage: "NAME|ID...", min: 1, complete: "object" },
  flags: {
    format: OBJECT_FORMAT_FLAG,
    type: {
      kind: "string",
      choices: ["container", "image", "volume", "network"],
      help: "Only look for this kind",
    },
    size: { kind: "bool", short: "s", help: "Show the sizes of containers" },
  },
  examples: [
    ["ply inspect debian", "everything, as JSON"],
    ["ply inspect -f '{{.State.ExitCode}}' web", "one field"],
    ["ply inspect -f '{{range .RootFS.Layers}}{{println .}}{{end}}' debian", "the layers of an image"],
  ],
  run: (context, flags, names) =>
    inspectObjects(context, names, {
      types: flags.type === undefined ? ["container", "image", "network", "volume"] : [flags.type],
      format: flags.format,
      size: flags.size,
    }),
});
