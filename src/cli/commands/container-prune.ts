import { command } from "../command.ts";
import { formatSize, lines } from "../output/index.ts";
import { confirm, pruneContainers } from "./pruning.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    filter: { kind: "list", value: "NAME=VALUE", help: "Only those that fit: until=, label=, label!=" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
  },
  description: "Their anonymous volumes stay: ply volume prune removes those.",
  async run(context, flags) {
    const warning = "WARNING! This will remove all stopped containers.";
    if (!flags.force && !(await confirm(context, warning))) return lines("Nothing was removed.");
    const { deleted, bytes } = await pruneContainers(context, flags.filter);
    return lines(...deleted, `Total reclaimed space: ${formatSize(bytes, 4)}`);
  },
});
