import type { DockerTop } from "../../wire/index.ts";
import { command } from "../command.ts";
import { formatTable, lines } from "../output/index.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER [ps OPTIONS]", min: 1, complete: "running", stopsFlags: true },
  flags: {},
  description:
    "The options are those of the host's ps; its PID column has to be among what they show. Default: -ef.",
  examples: [["ply top web -o pid,rss,args", "memory of each process"]],
  async run({ engine }, _flags, [container = "", ...words]) {
    const { Titles, Processes } = await engine.json<DockerTop>(
      "GET",
      `/containers/${segment(container)}/top`,
      {
        query: { ps_args: words.length === 0 ? undefined : words.join(" ") },
      },
    );
    return lines(...formatTable([Titles, ...Processes]));
  },
});
