import { command } from "../command.ts";
import { OBJECT_FORMAT_FLAG } from "./format-flag.ts";
import { inspectObjects } from "./inspecting.ts";

export default command({
  args: { usage: "VOLUME...", min: 1, complete: "volume" },
  flags: { format: OBJECT_FORMAT_FLAG },
  examples: [["ply volume inspect -f '{{.Mountpoint}}' data", "where its files are"]],
  run: (context, flags, names) =>
    inspectObjects(context, names, { types: ["volume"], format: flags.format, size: false }),
});
