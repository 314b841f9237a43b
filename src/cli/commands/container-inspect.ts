import { command } from "../command.ts";
import { OBJECT_FORMAT_FLAG } from "./format-flag.ts";
import { inspectObjects } from "./inspecting.ts";

export default command({
  args: { usage: "CONTAINER...", min: 1, complete: "container" },
  flags: {
    format: OBJECT_FORMAT_FLAG,
    size: { kind: "bool", short: "s", help: "Show sizes" },
  },
  run: (context, flags, names) =>
    inspectObjects(context, names, { types: ["container"], format: flags.format, size: flags.size }),
});
