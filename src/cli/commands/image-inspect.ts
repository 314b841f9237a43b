import { command } from "../command.ts";
import { OBJECT_FORMAT_FLAG } from "./format-flag.ts";
import { inspectObjects } from "./inspecting.ts";

export default command({
  args: { usage: "IMAGE...", min: 1, complete: "image" },
  flags: { format: OBJECT_FORMAT_FLAG },
  run: (context, flags, names) =>
    inspectObjects(context, names, { types: ["image"], format: flags.format, size: false }),
});
