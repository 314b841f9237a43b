import { command } from "../command.ts";
import { lines } from "../output/index.ts";
import { confirm, pruneNetworks } from "./pruning.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    filter: { kind: "list", value: "NAME=VALUE", help: "Only those that fit: until=, label=, label!=" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
  },
  description: "A network that a container is to be on at its next start stays.",
  async run(context, flags) {
    const warning = "WARNING! This will remove all custom networks not used by at least one container.";
    if (!flags.force && !(await confirm(context, warning))) return lines("Nothing was removed.");
    return lines(...(await pruneNetworks(context, flags.filter)));
  },
});
