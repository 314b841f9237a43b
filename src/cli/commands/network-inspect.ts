import { command } from "../command.ts";
import { OBJECT_FORMAT_FLAG } from "./format-flag.ts";
import { inspectObjects } from "./inspecting.ts";

export default command({
  args: { usage: "NETWORK...", min: 1, complete: "network" },
  flags: {
    format: OBJECT_FORMAT_FLAG,
    verbose: { kind: "bool", short: "v", help: "For scripts written for docker: there is no more to tell" },
  },
  examples: [
    [
      "ply network inspect -f '{{range .Containers}}{{println .Name .IPv4Address}}{{end}}' app",
      "who is on it",
    ],
  ],
  run: (context, flags, names) =>
    inspectObjects(context, names, { types: ["network"], format: flags.format, size: false }),
});
