import type { DockerCreateResponse } from "../../wire/index.ts";
import { command } from "../command.ts";
import { lines } from "../output/index.ts";
import { attachPlan } from "./attach-flag.ts";
import { CONTAINER_FLAGS, createRequest, printWarnings, withImage } from "./container-flags.ts";
import { segment } from "./ids.ts";

const { name: _, cidfile: __, rm: ___, attach: ____, ...FLAGS } = CONTAINER_FLAGS;

export default command({
  args: { usage: "CONTAINER [-- COMMAND [ARG...]]", min: 1, complete: "container" },
  flags: {
    ...FLAGS,
    image: {
      kind: "string",
      value: "IMAGE",
      complete: "image",
      help: "Another image below what it has written",
    },
  },
  description:
    "What the container has written, its volumes, its name, id and snapshots stay; so do its settings, but for those given here. Variables, labels, ports and mounts are added to what is there, or take the place of those of the same name or place. One that runs is stopped for it and started again; when that cannot be, it is as it was.",
  examples: [
    ["ply recreate web --env LEVEL=debug", "one more variable"],
    [
      "ply recreate web --image web:2 --memory 1g -- serve --fast",
      "a newer image below the same data, a limit, another command",
    ],
  ],
  async run(context, flags, [container = "", ...words]) {
    const given = { ...flags, name: undefined, cidfile: undefined, rm: false, attach: [] };
    const request = createRequest(given, [flags.image ?? "", ...words], {
      attach: attachPlan(given, { detach: false }),
      env: context.env,
      size: undefined,
    });
    const path = `/ply/containers/${segment(container)}/recreate`;
    const recreate = () => context.engine.json<DockerCreateResponse>("POST", path, { json: request });
    const { Warnings } = await (flags.image === undefined
      ? recreate()
      : withImage(context, given, flags.image, recreate));
    printWarnings(context, Warnings ?? []);
    return lines(container);
  },
});
