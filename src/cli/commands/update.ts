import { command } from "../command.ts";
import { UsageError } from "../failure.ts";
import { eachName } from "./each-name.ts";
import { segment } from "./ids.ts";
import { RESOURCE_FLAGS, resourceRequest } from "./resource-flags.ts";

export default command({
  args: { usage: "CONTAINER...", min: 1, complete: "container" },
  flags: RESOURCE_FLAGS,
  description: "Takes effect at once, also in a running container. What is not named stays as it is.",
  examples: [["ply update --memory 1g --memory-swap 2g --cpus 1.5 web", "more room for web"]],
  run({ engine, stdio }, flags, names) {
    const body = resourceRequest(flags);
    if (Object.keys(body).length === 0)
      throw new UsageError("you must provide one or more flags when using this command");
    return eachName(names, async (name) => {
      const { Warnings } = await engine.json<{ Warnings: string[] | null }>(
        "POST",
        `/containers/${segment(name)}/update`,
        { json: body },
      );
      for (const warning of Warnings ?? []) stdio.err(`WARNING: ${warning}\n`);
      return [name];
    });
  },
});
