import type { DockerIdResponse } from "../../wire/index.ts";
import { command } from "../command.ts";
import { lines } from "../output/index.ts";
import { splitTag } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER [REPOSITORY[:TAG]]", min: 1, max: 2, complete: "container" },
  flags: {
    author: { kind: "string", short: "a", value: "NAME", help: "Author: Ada <ada@example.com>" },
    change: {
      kind: "list",
      short: "c",
      value: "INSTRUCTION",
      help: "Dockerfile instruction for the image's settings",
    },
    "include-volumes": { kind: "bool", help: "What is in its volumes becomes part of the image" },
    message: { kind: "string", short: "m", value: "TEXT", help: "Comment for the image's history" },
  },
  description: "What the container changed becomes one more layer over its image.",
  examples: [
    ["ply commit -m 'with curl' -c 'CMD [\"curl\"]' web web:curl", "a new image from container web"],
  ],
  async run({ engine, interruptible }, flags, [container = "", name]) {
    using interruption = interruptible();
    const { Id } = await engine.json<DockerIdResponse>("POST", "/commit", {
      query: {
        container,
        ...(name === undefined ? {} : splitTag(name)),
        author: flags.author,
        comment: flags.message,
        changes: flags.change,
        volumes: flags["include-volumes"] || undefined,
      },
      json: {},
      signal: interruption.signal,
    });
    return lines(Id);
  },
});
