import type { DockerVolume } from "../../wire/index.ts";
import { command } from "../command.ts";
import { lines } from "../output/index.ts";
import { labelsOf } from "./labels.ts";

export default command({
  args: { usage: "[VOLUME]", min: 0, max: 1 },
  flags: {
    driver: { kind: "string", short: "d", default: "local", value: "NAME", help: "Volume driver" },
    opt: { kind: "list", short: "o", value: "KEY=VALUE", help: "Option of the driver: type, device, o" },
    label: { kind: "list", value: "KEY[=VALUE]", help: "Label" },
  },
  description:
    "Without a name it gets a random one. One that is there already is left as it is. `ply run -v NAME:/path` makes volumes by itself. With options it is what mount(8) would mount, for as long as a container uses it.",
  examples: [
    ["ply volume create -o type=tmpfs -o device=tmpfs -o o=size=100m fast", "in memory"],
    ["ply volume create -o type=none -o device=/srv/data -o o=bind data", "a directory of this host"],
    ["ply volume create -o type=nfs -o device=:/export -o o=addr=10.0.0.5,rw far", "of another host"],
  ],
  async run({ engine }, flags, [name]) {
    const volume = await engine.json<DockerVolume>("POST", "/volumes/create", {
      json: {
        Name: name ?? "",
        Driver: flags.driver,
        ...(flags.opt.length === 0 ? {} : { DriverOpts: labelsOf(flags.opt) }),
        Labels: labelsOf(flags.label),
      },
    });
    return lines(volume.Name);
  },
});
