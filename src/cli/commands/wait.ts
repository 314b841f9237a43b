import type { DockerWaitResponse } from "../../wire/index.ts";
import { command } from "../command.ts";
import { eachName } from "./each-name.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER...", min: 1, complete: "running" },
  flags: {},
  run: ({ engine }, _flags, names) =>
    eachName(names, async (name) => {
      const { StatusCode } = await engine.json<DockerWaitResponse>(
        "POST",
        `/containers/${segment(name)}/wait`,
      );
      return [String(StatusCode)];
    }),
});
