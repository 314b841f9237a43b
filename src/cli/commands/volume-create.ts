import type { DockerVolume } from "../../wire/index.ts";
import { command } from "../command.ts";
import { lines } from "../output/index.ts";
import { labelsOf } from "./labels.ts";

export default command({
  args: { usage: "[VOLUME]", min: 0, max: 1 },
  flags: {
    driver: { kind: "string", short: "d", default: "local", value: "NAME", help: "Volume driver" },
    label: { kind: "list", value: "KEY[=VALUE]", help: "Label" },
  },
  description:
    "Without a name it gets a random one. One that is there already is left as it is. `ply run -v NAME:/path` makes volumes by itself.",
  async run({ engine }, flags, [name]) {
    const volume = await engine.json<DockerVolume>("POST", "/volumes/create", {
      json: { Name: name ?? "", Driver: flags.driver, Labels: labelsOf(flags.label) },
    });
    return lines(volume.Name);
  },
});
