import { command } from "../command.ts";
import { DONE } from "../output/index.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "NETWORK CONTAINER", min: 2, max: 2, complete: "network" },
  flags: { force: { kind: "bool", short: "f", help: "Even if the container or the network is gone" } },
  async run({ engine }, flags, [network = "", container = ""]) {
    await engine.json("POST", `/networks/${segment(network)}/disconnect`, {
      json: { Container: container, Force: flags.force },
    });
    return DONE;
  },
});
